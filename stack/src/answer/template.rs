//! A reply spelt as what each byte is: a constant, a copy, a counter, a length. Nothing else can be said, so
//! every byte of what it makes has a provenance.

use heapless::Vec;

/// No request or reply that a template is about is longer.
pub const MAX_MESSAGE: usize = 8;

/// What one byte of a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TemplateByte {
    /// This byte.
    Constant(u8),
    /// Byte number so many of the request.
    Copy(u8),
    /// Byte number so many of the request, plus one (mod 256).
    Next(u8),
    /// How many bytes the reply has (mod 256).
    Length,
    /// The request from byte number so many on, to its end; nothing follows it. It may be empty.
    Rest(u8),
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Template(pub Vec<TemplateByte, MAX_MESSAGE>);

impl Template {
    /// The reply to `request`. `None`: the request is too short for it, the reply would be longer than
    /// [`MAX_MESSAGE`], or something follows a [`TemplateByte::Rest`].
    pub fn reply(&self, request: &[u8]) -> Option<Vec<u8, MAX_MESSAGE>> {
        let mut reply = [0; MAX_MESSAGE];
        let len = self.write(request, &mut reply)?;
        Vec::from_slice(&reply[..len]).ok()
    }

    /// Writes the reply to `request` into `out`; its length. `None`: the request is too short for it, `out` is, or something
    /// follows a [`TemplateByte::Rest`].
    pub fn write(&self, request: &[u8], out: &mut [u8]) -> Option<usize> {
        let mut len = 0;
        let mut lengths = 0_usize;
        for (at, byte) in self.0.iter().enumerate() {
            let of = |index: u8| request.get(usize::from(index)).copied();
            let value = match *byte {
                TemplateByte::Constant(value) => value,
                TemplateByte::Copy(index) => of(index)?,
                TemplateByte::Next(index) => of(index)?.wrapping_add(1),
                TemplateByte::Length => {
                    lengths |= 1 << at;
                    0
                }
                TemplateByte::Rest(from) => {
                    let rest = request.get(usize::from(from)..)?;
                    out.get_mut(len..len + rest.len())?.copy_from_slice(rest);
                    len += rest.len();
                    if at + 1 != self.0.len() {
                        return None;
                    }
                    break;
                }
            };
            *out.get_mut(len)? = value;
            len += 1;
        }
        for (at, byte) in out.iter_mut().take(self.0.len()).enumerate() {
            if lengths >> at & 1 == 1 {
                *byte = len as u8;
            }
        }
        Some(len)
    }
}

#[cfg(test)]
mod tests {
    use super::TemplateByte::{Constant, Copy, Length, Next, Rest};
    use super::*;

    fn reply(bytes: &[TemplateByte], request: &[u8]) -> Option<Vec<u8, MAX_MESSAGE>> {
        Template(Vec::from_slice(bytes).unwrap()).reply(request)
    }

    #[test]
    fn each_kind_of_byte_means_what_it_says() {
        let made = reply(&[Constant(0x81), Copy(2), Next(1), Length, Rest(3)], &[1, 255, 7, 8, 9]).unwrap();
        assert_eq!(made, [0x81, 7, 0, 6, 8, 9]);
        assert_eq!(reply(&[Rest(2)], &[1, 2]).unwrap(), []);
        assert_eq!(reply(&[], &[1]).unwrap(), []);
    }

    #[test]
    fn what_does_not_fit_makes_no_reply() {
        assert_eq!(reply(&[Copy(3)], &[1, 2, 3]), None);
        assert_eq!(reply(&[Rest(4)], &[1, 2, 3]), None);
        assert_eq!(reply(&[Rest(0), Constant(1)], &[1]), None);
        assert_eq!(reply(&[Constant(1), Rest(0)], &[0; 8]), None);
    }
}
