//! Server-sent events out of bytes, as the WHATWG's HTML standard (9.2.6) has them parsed, as far as a hub uses it.

/// One event; without data it only says where the reader is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) id: Option<String>,
    pub(super) event: String,
    pub(super) data: String,
}

/// Longest line. A record of a path takes some hundred bytes; what never ends a line is no hub.
const LONGEST_LINE: usize = 1 << 20;

/// What was read and is no whole event yet.
#[derive(Debug, Default)]
pub(super) struct Frames {
    line: Vec<u8>,
    frame: Frame,
}

impl Frames {
    /// Takes bytes as they come; gives the events that they end.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Frame> {
        let mut ended = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => ended.extend(self.end_of_line()),
                _ if self.line.len() < LONGEST_LINE => self.line.push(*byte),
                _ => {}
            }
        }
        ended
    }

    fn end_of_line(&mut self) -> Option<Frame> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches('\r');
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            return (frame != Frame::default()).then_some(frame);
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.frame.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.frame.event),
            "data" => {
                if !self.frame.data.is_empty() {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
            }
            // Comments, which have no name, and what a later hub may add.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_any_pieces() {
        let text =
            b":\n\nid: r-1\n: events follow\n\nid:r-2\r\nevent: switched\r\ndata: {\"a\":\ndata:1}\nother\n\nid: r-3\n";
        let wanted = [
            Frame {
                id: Some("r-1".to_owned()),
                ..Frame::default()
            },
            Frame {
                id: Some("r-2".to_owned()),
                event: "switched".to_owned(),
                data: "{\"a\":\n1}".to_owned(),
            },
        ];
        for size in 1..=text.len() {
            let mut frames = Frames::default();
            let found: Vec<_> = text.chunks(size).flat_map(|piece| frames.push(piece)).collect();
            assert_eq!(found, wanted, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_that_never_ends_takes_no_memory() {
        let mut frames = Frames::default();
        for _ in 0..3 {
            assert_eq!(frames.push(&vec![b'x'; LONGEST_LINE]), []);
        }
        assert_eq!(frames.line.len(), LONGEST_LINE);
    }
}
