//! What is encoded once and put into many messages.

use imps_proto::csp::message::encode_fragment;
use imps_proto::wire::{Form, Fragment, Writer};
use imps_service::event::KeptForms;
use imps_types::Version;

/// Writes what was made for the first client of the same version and form, or makes it.
pub(super) fn write_kept(kept: &KeptForms, form: Form, writer: &mut dyn Writer, encode: impl Fn(&mut dyn Writer)) {
    let version = writer.version();
    let Some(kept) = kept.get(place(form, version)) else { return encode(writer) };
    let fragment = kept.get_or_init(|| Box::new(encode_fragment(form, version, &encode)));
    match fragment.downcast_ref::<Fragment>() {
        Some(fragment) => writer.fragment(fragment),
        None => encode(writer),
    }
}

fn place(form: Form, version: Version) -> usize {
    let version = match version {
        Version::V1_1 => 0,
        Version::V1_2 => 1,
        Version::V1_3 => 2,
    };
    match form {
        Form::Xml => version,
        Form::Wbxml => 4 + version,
        Form::Json => 8 + version,
        // Rare enough to be written for each.
        Form::Pts(_) => usize::MAX,
    }
}
