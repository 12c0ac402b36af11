//! *GetSPInfo-Request* and *-Response*: who runs the service. CSP 4.6.

use crate::elements::ContentField;
use crate::grammar::{element, primitive};
use imps_types::ClientId;
use imps_types::element::Content;

element! {
    /// The provider's picture (`Logo`).
    Logo {
        /// Its type, and its octets.
        via content: (Box<str>, Content) = ContentField,
    }
}

primitive! {
    /// A client asks who runs the service.
    GetSpInfoRequest {
        /// The client.
        optional client_id: ClientId = ClientId,
    }
}

primitive! {
    /// Who runs the service.
    GetSpInfoResponse {
        /// The client, as it named itself.
        optional client_id: ClientId = ClientId,
        /// The provider's name.
        default name: Box<str> = Name,
        /// The provider's picture.
        optional logo: Logo = Logo,
        /// A text about the service.
        optional description: Box<str> = Description,
        /// Where to read more.
        optional url: Box<str> = Url,
    }
}
