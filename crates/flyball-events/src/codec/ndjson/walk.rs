//! The way from one value to the next where no learnt edge shows it: JSON's structure, parsed.

use super::DEPTH_MAX;
use super::value::{AFTER, BOM_INSIDE, COMMA, Fault, NOT_AN_OBJECT, TOO_DEEP, Window};
use crate::batch::BatchBuilder;
use crate::codec::layout::{BLANK, END, Layout, NodeId, ROOT};

/// Buffers that are kept from step to step.
#[derive(Debug, Default)]
pub(super) struct Walk {
    opens: Vec<usize>,
    path: String,
}

impl Walk {
    /// From just after the value of `from` (for [`ROOT`]: from the start of the line) to the next
    /// value that is no object, or over the end of the line. Learns the way.
    ///
    /// Answers the node reached and where its value begins.
    pub(super) fn step(
        &mut self,
        layout: &mut Layout,
        window: &Window<'_>,
        from: NodeId,
        start: usize,
        batch: &mut BatchBuilder,
    ) -> Result<(NodeId, usize), Fault> {
        let node = layout.node(from);
        self.opens.clear();
        self.opens.extend_from_slice(&node.opens);
        self.path.clear();
        self.path.push_str(&node.name);

        let mut at = window.skip_space(start);
        let mut after_value = true;
        if from == ROOT {
            if window.is_end(at) {
                return Ok((BLANK, (at + 1).min(window.text.len())));
            }
            if window.byte(at) != b'{' {
                let bom = window.text[at..].starts_with('\u{feff}');
                return Err(Fault { at, reason: if bom { BOM_INSIDE } else { NOT_AN_OBJECT } });
            }
            self.opens.push(0);
            at += 1;
            after_value = false;
        }
        loop {
            at = window.skip_space(at);
            match window.byte(at) {
                b'}' => {
                    self.opens.pop();
                    at += 1;
                    if self.opens.is_empty() {
                        return end_of_line(layout, window, from, start, at);
                    }
                    after_value = true;
                    continue;
                }
                b',' if after_value => at = window.skip_space(at + 1),
                _ if after_value => return Err(window.fault(at, COMMA)),
                _ => {}
            }
            let (key, escaped, value) = window.key(at)?;
            self.path.truncate(self.opens.last().copied().unwrap_or(0));
            if escaped {
                window.unescape(key, &mut self.path);
            } else {
                self.path.push_str(&window.text[key]);
            }
            at = value;
            if window.byte(at) != b'{' {
                let target = layout.intern(&self.opens, &self.path, |name| batch.role(name));
                layout.learn(from, &window.bytes()[start..at], target);
                return Ok((target, at));
            }
            if self.opens.len() >= DEPTH_MAX {
                return Err(Fault { at, reason: TOO_DEEP });
            }
            self.path.push('.');
            self.opens.push(self.path.len());
            at += 1;
            after_value = false;
        }
    }
}

/// From after the object's last bracket over the newline.
fn end_of_line(
    layout: &mut Layout,
    window: &Window<'_>,
    from: NodeId,
    start: usize,
    at: usize,
) -> Result<(NodeId, usize), Fault> {
    let at = window.skip_space(at);
    if at >= window.text.len() {
        // Without the newline the text would also match the start of something longer.
        return Ok((END, at));
    }
    if window.byte(at) != b'\n' {
        return Err(Fault { at, reason: AFTER });
    }
    layout.learn(from, &window.bytes()[start..=at], END);
    Ok((END, at + 1))
}
