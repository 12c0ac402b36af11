#![no_main]

//! Any bytes as a message that comes in pieces, of a client that takes its answers in pieces: nothing panics, and the pieces
//! of an answer are a message. The last byte says how long the pieces are, too: so any vector is a seed.

use std::sync::LazyLock;

use bytes::Bytes;
use hamlet_fuzz::world::{World, form_of, read_answer, with_session};
use imps_csp::Answer;
use imps_proto::csp::catalogue::{Response, ServerRequest};
use imps_proto::csp::{GetSegmentRequest, GetSegmentResponse, MessageWriter, Mode, Namespaces};
use imps_proto::elements::{SegmentContent, SegmentId, SegmentInfo};
use imps_proto::grammar::Primitive;
use imps_proto::wire::Form;
use imps_proto::{Element, wire::Tag};
use imps_types::element::CapabilityList;
use imps_types::service_tree::{Function, FunctionSet};
use imps_types::{TransactionId, Version};

static WORLD: LazyLock<World> = LazyLock::new(World::new);

/// Bytes that the client parses.
const PARSED: u32 = 700;
/// The client's transaction.
const OURS: &str = "7";
/// More pieces say nothing new.
const PIECES_MAX: usize = 40;

/// What the server says to a message.
enum Said {
    /// It wants this piece, and asks in this transaction.
    Asks(String, SegmentId),
    /// A piece of its answer.
    Piece(SegmentInfo, SegmentContent),
    Anything,
}

fn say(
    form: Form,
    session: &str,
    mode: Mode,
    id: &str,
    info: Option<&SegmentInfo>,
    primitive: &impl Primitive,
) -> Said {
    let namespaces = Namespaces::default();
    let mut writer = MessageWriter::new(form, Version::V1_3, &namespaces, Some(session), Vec::new());
    writer.piece(mode, id, None, info, |writer| primitive.write(writer));
    let mut said = Said::Anything;
    if let Answer::Message(message) = WORLD.answer(&writer.finish(None).into()) {
        read_answer(&message, |head, envelope| match head.primitive {
            Some(Tag::Known(Element::GetSegmentRequest)) => {
                let request = envelope.read_server_request().expect("our own request");
                if let Some(ServerRequest::GetSegment(asked)) = request {
                    said = Said::Asks(head.transaction_id.to_string(), asked.segment_id);
                }
            }
            Some(Tag::Known(Element::GetSegmentResponse)) if head.mode == Mode::Response => {
                let info = head.segment.clone();
                if let Some(Response::GetSegment(piece)) = envelope.read_response().expect("our own response") {
                    said = Said::Piece(info.expect("which piece it is"), piece.content);
                }
            }
            _ => {}
        });
    }
    said
}

/// A message in pieces; text in whole letters.
fn pieces(form: Form, bytes: &[u8], size: usize) -> Option<Vec<Bytes>> {
    if form == Form::Wbxml {
        return Some(bytes.chunks(size).map(Bytes::copy_from_slice).collect());
    }
    let letters: Vec<char> = std::str::from_utf8(bytes).ok()?.chars().collect();
    Some(letters.chunks(size).map(|some| some.iter().collect::<String>().into()).collect())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(size) = bytes.last() else { return };
    let mut session = WORLD.session();
    let id = session.id.to_string();
    WORLD.run(async |services| {
        // Whatever the last message has agreed on.
        let mut wish = FunctionSet::leaves(Version::V1_3, true);
        wish.insert(Function::Sgmnt);
        services.access().negotiate_services(&session, Some(wish)).await.expect("functions");
        let list = CapabilityList { parser_size: Some(PARSED), ..CapabilityList::default() };
        services.access().negotiate_capabilities(&session, list).await.expect("capabilities");
    });
    let body = with_session(bytes, &id).unwrap_or_else(|| Bytes::copy_from_slice(bytes));
    let form = form_of(&body);
    let Some(parts) = pieces(form, &body, usize::from(*size).max(8)).filter(|parts| parts.len() <= PIECES_MAX) else {
        return;
    };
    let transaction_id = TransactionId::new(OURS);
    let info = |reference: u32| SegmentInfo {
        count: u32::try_from(parts.len()).ok(),
        id: Some(SegmentId { transaction_id: transaction_id.clone(), reference }),
    };
    let piece = |reference: u32| {
        let content = parts.get(usize::try_from(reference).ok()?.checked_sub(1)?)?;
        Some(GetSegmentResponse { content: SegmentContent(content.clone()), info: None })
    };
    let Some(first) = piece(1) else { return };
    let mut said = say(form, &id, Mode::Request, OURS, Some(&info(1)), &first);
    while let Said::Asks(asked_in, asked) = said {
        let next = piece(asked.reference).expect("there are as many as was said");
        said = say(form, &id, Mode::Response, &asked_in, Some(&info(asked.reference)), &next);
    }
    if let Said::Piece(info, SegmentContent(content)) = said {
        let (mut whole, count) = (content.to_vec(), info.count.expect("how many there are"));
        let segment_id = info.id.expect("which it is");
        for reference in 2..=count {
            let request = GetSegmentRequest { segment_id: SegmentId { reference, ..segment_id.clone() } };
            let Said::Piece(_, more) = say(form, &id, Mode::Request, "8", None, &request) else {
                panic!("piece {reference} of {count} does not come")
            };
            whole.extend_from_slice(&more.0);
        }
        read_answer(&whole, |_, _| {});
    }
    WORLD.open_again(&mut session);
});
