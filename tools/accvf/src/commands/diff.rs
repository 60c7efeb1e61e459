// SPDX-License-Identifier: GPL-2.0

//! `accvf diff`: two streams, field by field.

use crate::decode::{Decoded, Field};
use serde::Serialize;

/// A field that differs. `None` if the stream does not have it.
#[derive(Serialize)]
pub struct Difference {
    pub name: &'static str,
    pub offset: usize,
    pub a: Option<String>,
    pub b: Option<String>,
}

/// What differs between two streams.
#[derive(Serialize)]
pub struct Diff {
    pub bytes: [usize; 2],
    pub differences: Vec<Difference>,
}

/// Compares two streams.
pub fn diff(a: &Decoded, b: &Decoded) -> Diff {
    let find = |fields: &[Field], name: &str| {
        let found = fields.iter().find(|field| field.name == name);
        found.map(|field| field.value.clone())
    };
    // Both have the fields in the same order; one may end earlier.
    let longer = match a.fields.len() >= b.fields.len() {
        true => &a.fields,
        false => &b.fields,
    };
    let differences = longer
        .iter()
        .map(|Field { name, offset, .. }| Difference {
            name,
            offset: *offset,
            a: find(&a.fields, name),
            b: find(&b.fields, name),
        })
        .filter(|field| field.a != field.b)
        .collect();
    Diff {
        bytes: [a.bytes, b.bytes],
        differences,
    }
}

impl Diff {
    /// Returns whether the streams are alike.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty() && self.bytes[0] == self.bytes[1]
    }

    /// Returns it as a text.
    pub fn text(&self) -> String {
        if self.is_empty() {
            return "no difference\n".to_owned();
        }
        let [a, b] = self.bytes;
        let mut text = match a == b {
            true => String::new(),
            false => format!("length: {a} bytes, {b} bytes\n"),
        };
        for field in &self.differences {
            let show = |value: &Option<String>| value.clone().unwrap_or("not there".to_owned());
            text += &format!("{:>4}  {}\n", field.offset, field.name);
            text += &format!("      a: {}\n      b: {}\n", show(&field.a), show(&field.b));
        }
        text
    }
}
