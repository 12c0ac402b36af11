//! The rule that makes the mapping mechanical (SSP 9.4): MetaInfo, then the children of CSP's primitive, unchanged; and
//! in answers Status before them.

use super::common::MetaInfo;
use super::error::{Error, ErrorKind};
use super::grammar::{About, Part};
use super::io::{In, Out, Start};
use crate::grammar::Primitive;
use imps_types::element::ResultInfo;

/// A request with the body that it has in CSP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<B> {
    /// Who asks.
    pub meta: MetaInfo,
    /// What.
    pub body: B,
}

impl<B: Primitive> Part for Asked<B> {
    fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        match input.child()? {
            Some(first) if first.is(&["MetaInfo"]) => {
                let meta = MetaInfo::read(&first, input)?;
                Ok(Self { meta, body: input.csp()? })
            }
            _ => Err(input.error(ErrorKind::MissingElement("MetaInfo"))),
        }
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        self.meta.write("MetaInfo", out);
        out.csp_content(B::ELEMENT, &self.body);
        out.end(name);
    }
}

impl<B> About for Asked<B> {
    fn meta(&self) -> Option<&MetaInfo> {
        Some(&self.meta)
    }

    fn meta_mut(&mut self) -> Option<&mut MetaInfo> {
        Some(&mut self.meta)
    }
}

/// An answer with the body that it has in CSP, unless nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered<B> {
    /// How it went.
    pub status: ResultInfo,
    /// What was asked for; only with success.
    pub body: Option<B>,
}

impl<B: Primitive> Part for Answered<B> {
    fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        match input.child()? {
            Some(first) if first.is(&["Status"]) => {
                let status = ResultInfo::read(&first, input)?;
                if status.status.is_success() {
                    return Ok(Self { status, body: Some(input.csp()?) });
                }
                input.skip()?;
                Ok(Self { status, body: None })
            }
            _ => Err(input.error(ErrorKind::MissingElement("Status"))),
        }
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        self.status.write("Status", out);
        if let Some(body) = self.body.as_ref().filter(|_| self.status.status.is_success()) {
            out.csp_content(B::ELEMENT, body);
        }
        out.end(name);
    }
}

impl<B> About for Answered<B> {
    fn meta(&self) -> Option<&MetaInfo> {
        None
    }

    fn meta_mut(&mut self) -> Option<&mut MetaInfo> {
        None
    }
}
