//! What goes with an answer for whoever makes rules of it: how far it reaches, and who gave it.

use super::Reply;
use crate::answer::OwnedAction;
use siphasher::sip::SipHasher24;
use stack::answer::{Advice, Lifetime, Scope};
use stack::{ActionKind, ClassKey, Witness};
use std::hash::{Hash as _, Hasher as _};

/// How far an answer to a class prompt reaches whose backend does not say so: the prompt held nothing but the class. A discard
/// serves the class, a repair the flow; what is sent for one frame serves no other.
pub(super) fn unsaid(action: &OwnedAction) -> Option<Advice> {
    let OwnedAction::Symbolic(kind) = action else { return None };
    let scope = match kind {
        ActionKind::Drop => Scope::Class,
        ActionKind::Forward | ActionKind::StripTag | ActionKind::Decapsulate | ActionKind::ClearOptions => {
            Scope::Flow
        }
        ActionKind::TimestampReply
        | ActionKind::ParameterProblem
        | ActionKind::EchoReply
        | ActionKind::Inject => {
            return None;
        }
    };
    Some(Advice { scope, lifetime: Lifetime::Medium })
}

/// Who gave the answer to a reply's frame. The embedded models have no prompt text: what they are told follows from the class.
pub(super) fn witness(tier: usize, reply: &Reply) -> Witness {
    let text = reply.prompt.as_deref().and_then(|hash| u64::from_str_radix(hash.get(..16)?, 16).ok());
    let of_class = |class: &ClassKey| {
        let mut hash = SipHasher24::new_with_keys(0, 0);
        class.hash(&mut hash);
        hash.finish()
    };
    let prompt = text.or_else(|| reply.class.as_ref().map(of_class)).unwrap_or(0);
    Witness { backend: tier as u16, prompt }
}
