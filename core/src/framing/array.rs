//! JSON arrays of objects, RFC 8259 section 5.

use super::{Framing, Unread};
use crate::{Payload, Reason};

/// Yields each object of an array as soon as it is whole, so that what a server saved up is not held in one piece.
///
/// Where an object ends is found by its braces; whether it is one, its reader will see.
pub(crate) struct Array {
    unread: Unread,
    searched: usize,
    place: Place,
    depth: usize,
    max_object: usize,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    /// Before the array, or behind it.
    Outside,
    /// Between objects.
    Inside,
    InObject,
    InString,
    InEscape,
}

impl Array {
    pub(crate) fn new(max_payload: usize) -> Self {
        Self {
            unread: Unread::default(),
            searched: 0,
            place: Place::Outside,
            depth: 0,
            max_object: max_payload + MAX_AROUND,
        }
    }

    /// Passes over what is between objects.
    fn skip(&mut self) -> Result<(), Reason> {
        let mut length = 0;
        for byte in self.unread.rest() {
            match (self.place, byte) {
                (_, b' ' | b'\t' | b'\r' | b'\n') | (Place::Inside, b',') => {}
                (Place::Outside, b'[') => self.place = Place::Inside,
                (Place::Inside, b']') => self.place = Place::Outside,
                (Place::Inside, b'{') => {
                    self.place = Place::InObject;
                    break;
                }
                _ => return Err(Reason::Malformed),
            }
            length += 1;
        }
        self.unread.take(0, length);

        Ok(())
    }

    /// Returns where the object ends that the unread bytes begin with.
    fn find_end(&mut self) -> Option<usize> {
        let rest = self.unread.rest();
        for (index, byte) in rest.iter().enumerate().skip(self.searched) {
            self.place = match (self.place, byte) {
                (Place::InEscape, _) => Place::InString,
                (Place::InString, b'\\') => Place::InEscape,
                (Place::InString, b'"') => Place::InObject,
                (Place::InObject, b'"') => Place::InString,
                (Place::InObject, b'{' | b'[') => {
                    self.depth += 1;
                    Place::InObject
                }
                (Place::InObject, b'}' | b']') => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.searched = 0;
                        self.place = Place::Inside;
                        return Some(index + 1);
                    }
                    Place::InObject
                }
                (place, _) => place,
            };
        }
        self.searched = rest.len();

        None
    }
}

impl Framing for Array {
    fn push(&mut self, chunk: Payload) -> Result<(), Reason> {
        self.unread.push(chunk);

        Ok(())
    }

    fn next(&mut self) -> Result<Option<Payload>, Reason> {
        match self.place {
            Place::Inside | Place::Outside => self.skip()?,
            Place::InEscape | Place::InObject | Place::InString => {}
        }
        match self.place {
            Place::Inside | Place::Outside => return Ok(None),
            Place::InEscape | Place::InObject | Place::InString => {}
        }
        let end = self.find_end();
        if end.unwrap_or(self.searched) > self.max_object {
            return Err(Reason::TooLarge);
        }

        Ok(end.map(|end| self.unread.take(end, 0)))
    }

    fn is_at_boundary(&self) -> bool {
        self.place == Place::Outside
    }
}

/// More than a message has around its payload.
const MAX_AROUND: usize = 8192;

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use super::*;

    fn read(array: &mut Array, text: &str) -> Result<Vec<String>, Reason> {
        array.push(Payload::from(text.as_bytes()))?;
        let mut objects = Vec::new();
        while let Some(object) = array.next()? {
            objects.push(String::from_utf8(object.to_vec()).unwrap());
        }

        Ok(objects)
    }

    #[test]
    fn objects_are_whole_however_they_were_split() {
        let objects = [r#"{"a":[1,{"b":"]}\"\\"}]}"#, "{}", r#"{"c":"é,"}"#];
        let text = alloc::format!(" [{} ,{},\r\n{}]\n", objects[0], objects[1], objects[2]);

        for size in 1..text.len() {
            let mut array = Array::new(100);
            let mut found = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                array.push(Payload::from(chunk)).unwrap();
                while let Some(object) = array.next().unwrap() {
                    found.push(String::from_utf8(object.to_vec()).unwrap());
                }
            }
            assert_eq!(found, objects);
            assert!(array.is_at_boundary());
        }
    }

    #[test]
    fn one_array_may_follow_another() {
        let mut array = Array::new(100);

        assert_eq!(read(&mut array, "[]").unwrap().len(), 0);
        assert!(array.is_at_boundary());
        assert_eq!(read(&mut array, "[{}").unwrap(), ["{}"]);
        assert!(!array.is_at_boundary());
        assert_eq!(read(&mut array, "][{}]").unwrap(), ["{}"]);
    }

    #[test]
    fn what_is_no_array_of_objects_is_malformed() {
        for text in ["<html>", "{}", "[1]", "[}", "]"] {
            let result = read(&mut Array::new(100), text);
            assert_eq!(result, Err(Reason::Malformed), "{text}");
        }
    }

    #[test]
    fn an_object_without_end_is_too_large() {
        let mut array = Array::new(100);
        let text = alloc::format!("[{{\"{}", "x".repeat(100 + MAX_AROUND));

        assert_eq!(read(&mut array, &text), Err(Reason::TooLarge));
    }
}
