//! Functions and AllFunctions: the service tree. CSP 4.7, 5.
//!
//! A tree is read into the set of its leaves: an element without children stands for all below it in the version of the
//! message. Written, a node is given without children when all below it is in the set.

use crate::element::{Element, Space};
use crate::grammar::{Decode, Encode, next_child};
use crate::wire::{DecodeError, Reader, Writer};
use imps_types::service_tree::{FUNCTIONS, Function, FunctionSet};
use std::sync::LazyLock;

/// Both ways between nodes and elements: they have the same names.
struct Names {
    elements: Vec<Element>,
    functions: Vec<Option<Function>>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut functions = vec![None; Element::ALL.len()];
    let mut elements = Vec::with_capacity(FUNCTIONS.len());
    for row in FUNCTIONS {
        // A test holds the names against each other; the root stands in for one that has no element.
        let element = Element::by_name(row.name, Space::Trc).unwrap_or(Element::WvCspFeat);
        if let Some(place) = functions.get_mut(element as usize) {
            *place = Some(row.function);
        }
        elements.push(element);
    }
    Names { elements, functions }
});

fn element_of(function: Function) -> Element {
    NAMES.elements.get(function as usize).copied().unwrap_or(Element::WvCspFeat)
}

fn function_of(element: Element) -> Option<Function> {
    NAMES.functions.get(element as usize).copied().flatten()
}

impl Decode for FunctionSet {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut named = Self::EMPTY;
        // The set does not care for the shape of the tree, so a counter does for it.
        let mut depth = 0_usize;
        loop {
            match next_child(reader)? {
                Some(element) => match function_of(element) {
                    Some(function) => {
                        named.insert(function);
                        depth += 1;
                    }
                    None => reader.skip()?,
                },
                None if depth == 0 => break,
                None => depth -= 1,
            }
        }
        Ok(named.expanded(reader.version().unwrap_or(reader.form().default_version())))
    }
}

impl Encode for FunctionSet {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        let mut open: Vec<Function> = Vec::new();
        for function in self.collapsed(writer.version()).unwrap_or_default() {
            while let Some(&last) = open.last()
                && last.row().depth >= function.row().depth
            {
                writer.end(element_of(last));
                open.pop();
            }
            writer.start(element_of(function));
            open.push(function);
        }
        while let Some(last) = open.pop() {
            writer.end(element_of(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_an_element() {
        for row in FUNCTIONS {
            let element = element_of(row.function);
            assert_eq!(element.name(), row.name);
            assert_eq!(function_of(element), Some(row.function));
        }
    }
}
