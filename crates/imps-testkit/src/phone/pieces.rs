//! Messages in pieces (CSP 3, "Segmentation"): put together, and sent.

use imps_proto::wire::Form;

use super::{Band, Line, Node, Outbound, Phone, Wants};

/// The ParserSize that a request tells.
pub(super) fn parser_size(primitive: &Node) -> Option<usize> {
    primitive.text_at("CapabilityList/ParserSize")?.parse().ok()
}

/// What a piece consists of.
fn octets(content: &Node) -> Vec<u8> {
    content.bytes.clone().unwrap_or_else(|| content.text.clone().into_bytes())
}

/// SegmentInfo.
fn segment_info(count: usize, transaction: &str, reference: usize) -> Node {
    let id = [Node::leaf("TransactionID", transaction), Node::leaf("SegmentReference", reference.to_string())];
    Node::new("SegmentInfo", [Node::leaf("SegmentCount", count.to_string()), Node::new("SegmentID", id)])
}

/// A document in pieces of whole letters, or of bytes.
fn cut(bytes: &[u8], size: usize, form: Form) -> Vec<Node> {
    let pieces: Vec<Vec<u8>> = if form == Form::Wbxml {
        bytes.chunks(size).map(<[u8]>::to_vec).collect()
    } else {
        let letters: Vec<char> = String::from_utf8_lossy(bytes).chars().collect();
        letters.chunks(size).map(|some| some.iter().collect::<String>().into_bytes()).collect()
    };
    let piece = |piece: Vec<u8>| match (form, String::from_utf8(piece)) {
        (Form::Wbxml, Ok(text)) => Node::binary("SegmentContent", text.into_bytes()),
        (Form::Wbxml, Err(bytes)) => Node::binary("SegmentContent", bytes.into_bytes()),
        (_, text) => Node::leaf("SegmentContent", text.unwrap_or_default()),
    };
    pieces.into_iter().map(piece).collect()
}

impl Phone {
    /// The whole of a message of which the first piece has come; another message as it is.
    pub(super) async fn put_together(&mut self, root: Node) -> Result<Node, String> {
        let is_piece = root.find("TransactionContent/GetSegment-Response").len() == 1;
        let reference = root.text_at("SegmentInfo/SegmentID/SegmentReference").unwrap_or_default();
        if self.leaves_pieces || !is_piece || reference != "1" {
            return Ok(root);
        }
        let count: usize = root.text_at("SegmentInfo/SegmentCount").and_then(|count| count.parse().ok()).unwrap_or(0);
        let transaction = root.text_at("SegmentInfo/SegmentID/TransactionID").unwrap_or_default().to_owned();
        let of = |root: &Node| root.find("SegmentContent").first().map(|content| octets(content)).unwrap_or_default();
        let mut document = of(&root);
        for reference in 2..=count {
            let id =
                [Node::leaf("TransactionID", &*transaction), Node::leaf("SegmentReference", reference.to_string())];
            let primitive = Node::new("GetSegment-Request", [Node::new("SegmentID", id)]);
            let asked = self.transaction_id();
            let outbound = Outbound { mode: "Request", transaction: Some(asked), primitive, segment: None };
            let bytes = self.to_bytes(&self.envelope(Band::In, vec![outbound]))?;
            let Some(piece) = Box::pin(self.post(&bytes, Band::In, Wants::Response)).await? else {
                return Err(format!("piece {reference} of {count} does not come"));
            };
            if piece.text_at("SegmentInfo/SegmentID/SegmentReference") != Some(&*reference.to_string()) {
                return Err(format!("piece {reference} was asked for:\n{}", piece.pretty()));
            }
            document.extend(of(&piece));
        }
        let whole = self.document(&document).map_err(|error| format!("the pieces are no message: {error}"))?;
        self.heard = Some(whole.clone());
        self.examine(&whole, Band::In)?;
        // The flag was that of the time when it was cut.
        self.told_to_poll = None;
        Ok(whole)
    }

    /// Sends a request in pieces: the first by itself, the others as the server asks for them.
    pub(super) async fn post_in_pieces(&mut self, id: &str, bytes: &[u8], size: usize) -> Result<Node, String> {
        if matches!(self.line, Line::WebSocket(_)) {
            return Err("over WebSocket nothing is too large".to_owned());
        }
        let pieces = cut(bytes, size, self.form);
        let piece = |reference: usize, mode: &'static str, transaction: &str| {
            let content = pieces.get(reference - 1).cloned();
            content.map(|content| Outbound {
                mode,
                transaction: Some(transaction.to_owned()),
                primitive: Node::new("GetSegment-Response", [content]),
                segment: Some(segment_info(pieces.len(), id, reference)),
            })
        };
        let mut next = piece(1, "Request", id).ok_or("there is nothing to be sent")?;
        loop {
            let bytes = self.to_bytes(&self.envelope(Band::In, vec![next]))?;
            let Some(root) = self.post(&bytes, Band::In, Wants::Response).await? else {
                return Err("a piece was answered with an empty body".to_owned());
            };
            let Some(asked) = root.find("TransactionContent/GetSegment-Request").first().copied().cloned() else {
                return Ok(root);
            };
            let transaction = root.text_at("TransactionDescriptor/TransactionID").unwrap_or_default();
            if asked.text_at("SegmentID/TransactionID") != Some(id) {
                return Err(format!("a piece of another message was asked for:\n{}", root.pretty()));
            }
            let reference = asked.text_at("SegmentID/SegmentReference").and_then(|number| number.parse().ok());
            let reference: usize = reference.filter(|number| *number > 0).unwrap_or(usize::MAX);
            next = piece(reference, "Response", transaction)
                .ok_or_else(|| format!("there is no such piece:\n{}", root.pretty()))?;
        }
    }
}
