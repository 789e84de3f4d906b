//! By example: exchanges of an unknown protocol in, what each byte of its replies is out.

use super::vocabulary::{
    CONSTANT, COPY, END, EOS, EXAMPLE, INDICES, LENGTH, NEXT, REPLY, REQUEST, REST, SEP, byte,
};
use super::{AnswerTokens, Prompt, Task};
use heapless::Vec;
use stack::answer::template::MAX_MESSAGE;
use stack::answer::{Template, TemplateByte};
use std::ops::Range;

/// Most exchanges in a prompt; more are left out, the earliest first.
pub const MAX_EXCHANGES: usize = 3;
/// Places of a request: its word, then a number and a byte for each of its bytes.
const REQUEST_PLACES: usize = 1 + 2 * MAX_MESSAGE;
/// Places of an exchange: the request, then the reply's word, its bytes and its end.
const PLACES: usize = REQUEST_PLACES + 1 + MAX_MESSAGE + 1;

/// One exchange: request and reply.
pub type Exchange<'a> = (&'a [u8], &'a [u8]);

/// The prompt. Every exchange has the same places from the end of the prompt, however long its messages are.
/// `None` if there is no exchange, or a message is longer than [`MAX_MESSAGE`].
pub fn example_prompt(exchanges: &[Exchange<'_>]) -> Option<Prompt> {
    let used = &exchanges[exchanges.len().saturating_sub(MAX_EXCHANGES)..];
    let fits = |message: &[u8]| message.len() <= MAX_MESSAGE;
    if used.is_empty() || !used.iter().all(|(request, reply)| fits(request) && fits(reply)) {
        return None;
    }
    let mut prompt = Prompt::new(Task::Example);
    debug_assert_eq!(prompt.tokens().last(), Some(&EXAMPLE));
    for (slot, (request, reply)) in (MAX_EXCHANGES - used.len()..).zip(used) {
        let start = 2 + slot * PLACES;
        prompt.push_at(REQUEST, start);
        for (index, &value) in request.iter().enumerate() {
            prompt.push_at(index as u16, start + 1 + 2 * index);
            prompt.push(byte(value));
        }
        prompt.push_at(REPLY, start + REQUEST_PLACES);
        prompt.extend(reply.iter().map(|&value| byte(value)));
        prompt.push(END);
    }
    prompt.push_at(SEP, 2 + MAX_EXCHANGES * PLACES);
    Some(prompt)
}

/// The tokens of a template. A constant's value is in the exchanges, where code reads it.
pub fn template_answer(template: &Template) -> AnswerTokens {
    let spell = |one: &TemplateByte| match *one {
        TemplateByte::Constant(_) => CONSTANT,
        TemplateByte::Length => LENGTH,
        TemplateByte::Copy(index) => COPY + u16::from(index),
        TemplateByte::Next(index) => NEXT + u16::from(index),
        TemplateByte::Rest(index) => REST + u16::from(index),
    };
    template.0.iter().map(spell).chain([EOS]).collect()
}

/// The template that an answer spells, with constants from the last exchange's reply. `None` if a constant
/// stands beyond that reply's end.
pub fn template_of(answer: &[u16], exchanges: &[Exchange<'_>]) -> Option<Template> {
    let (_, last) = exchanges.last()?;
    let (&EOS, spelt) = answer.split_last()? else { return None };
    let read = |(at, &token): (usize, &u16)| {
        let index = |first: u16| (token - first) as u8;
        Some(match token {
            CONSTANT => TemplateByte::Constant(*last.get(at)?),
            LENGTH => TemplateByte::Length,
            COPY..NEXT => TemplateByte::Copy(index(COPY)),
            NEXT..REST => TemplateByte::Next(index(NEXT)),
            REST.. if token < REST + INDICES => TemplateByte::Rest(index(REST)),
            _ => return None,
        })
    };
    let bytes: Option<Vec<TemplateByte, MAX_MESSAGE>> = spelt.iter().enumerate().map(read).collect();
    Some(Template(bytes?))
}

pub(super) fn choices(answer: &[u16], offer: &mut impl FnMut(Range<u16>)) {
    let ended = answer.last().is_some_and(|&last| last >= REST || last == EOS);
    if ended || answer.len() == MAX_MESSAGE {
        return;
    }
    offer(EOS..EOS + 1);
    offer(CONSTANT..REST + INDICES);
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_PROMPT, MAX_TOKENS, assert_legal};
    use super::TemplateByte::{Constant, Copy, Length, Next, Rest};
    use super::*;

    #[test]
    fn templates_round_trip_and_are_legal() {
        let template =
            Template(Vec::from_slice(&[Constant(0x81), Copy(2), Next(7), Length, Rest(0)]).unwrap());
        let exchange: Exchange<'_> = (&[1, 2, 3], &[0x81, 3, 9, 9, 9]);
        let answer = template_answer(&template);
        assert_eq!(template_of(&answer, &[exchange]), Some(template));
        assert_legal(Task::Example, &answer);
        // A constant where the example's reply has ended already.
        assert_eq!(template_of(&[CONSTANT, EOS], &[(&[1], &[])]), None);
        assert_legal(Task::Example, &[EOS]);
        assert_legal(Task::Example, &[COPY, COPY, COPY, COPY, COPY, COPY, COPY, LENGTH, EOS]);
    }

    #[test]
    fn exchanges_stand_at_the_same_places_from_the_end() {
        let short: Exchange<'_> = (&[1], &[2, 3]);
        let long: Exchange<'_> = (&[4; MAX_MESSAGE], &[5; MAX_MESSAGE]);
        let one = example_prompt(&[short]).unwrap();
        let three = example_prompt(&[long, long, short]).unwrap();
        let tail = |prompt: &Prompt| -> std::vec::Vec<(u16, u8)> {
            let all = prompt.tokens().iter().copied().zip(prompt.places().iter().copied());
            all.skip(prompt.tokens().len() - 8).collect()
        };
        assert_eq!(tail(&one), tail(&three));
        assert!(three.tokens().len() <= MAX_PROMPT);
        assert!(usize::from(*three.places().last().unwrap()) + 1 + MAX_MESSAGE < MAX_TOKENS);
        assert_eq!(example_prompt(&[]), None);
        assert_eq!(example_prompt(&[(&[0; MAX_MESSAGE + 1], &[])]), None);
    }
}
