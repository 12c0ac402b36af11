//! What is about our own domain while other domains have some of its services (SSP 1, 10, 13.2).
//!
//! Who is a user is known by his home domain, wherever the Common features are; what is a group, by who has the groups.

use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::csp::{SearchRequest, VerifyIdRequest};
use imps_types::element::{IdList, SearchElement};
use imps_types::{Domain, Service as Offered};

use super::Face;
use crate::translate;

/// Whether a search is for groups: what one looks for is told by its first criterion (CSP 7.1).
fn is_for_groups(search: &SearchRequest) -> bool {
    let kind = search.pairs.first().and_then(|pair| SearchElement::parse(&pair.element));
    kind.is_some_and(|kind| kind.as_str().starts_with("GROUP_"))
}

/// The service that has what a request of the Common features is about, where another domain may have it; none: it is
/// about what only the home domain knows.
pub(super) fn common_service(request: &Request) -> Option<Offered> {
    match request {
        Request::Search(it) => is_for_groups(it).then_some(Offered::Group),
        Request::VerifyId(_) => translate::service_of(request).filter(|service| *service == Offered::Group),
        // Who goes on with a search, or ends it, names whose it is.
        Request::StopSearch(_) => None,
        _ => translate::service_of(request),
    }
}

/// A request to verify names, in what is about groups and all else.
pub(super) fn verified_apart(request: VerifyIdRequest) -> Vec<Request> {
    let IdList { user_ids, contact_lists, group_ids, screen_names, domains } = request.id_list;
    let groups = IdList { group_ids, screen_names, ..IdList::default() };
    let others = IdList { user_ids, contact_lists, domains, ..IdList::default() };
    let mut parts = Vec::new();
    if !others.is_empty() || groups.is_empty() {
        parts.push(VerifyIdRequest { id_list: others }.into());
    }
    if !groups.is_empty() {
        parts.push(VerifyIdRequest { id_list: groups }.into());
    }
    parts
}

/// A search that another domain carries out for us goes on there.
pub(super) fn goes_on_at(provider: &Domain, mut response: Response) -> Response {
    if let Response::Search(found) = &mut response
        && let Some(id) = &found.search_id
    {
        let id = id.rsplit_once('@').map_or(&**id, |(id, _)| id);
        found.search_id = Some(format!("{id}@{provider}").into());
    }
    response
}

impl Face {
    /// Whether a request names groups to verify that another domain has for us.
    pub(super) fn is_of_parts(&self, request: &Request) -> bool {
        let has_groups =
            |it: &VerifyIdRequest| !(it.id_list.group_ids.is_empty() && it.id_list.screen_names.is_empty());
        matches!(request, Request::VerifyId(it) if has_groups(it)) && self.provider(Offered::Group).is_some()
    }
}

#[cfg(test)]
mod tests {
    use imps_proto::csp::SearchResponse;
    use imps_types::Address;
    use imps_types::element::SearchPair;

    use super::*;

    fn search(element: &str) -> Request {
        let pair = SearchPair { element: element.into(), string: Some("Cars".into()), pair_id: None };
        let request = SearchRequest {
            pairs: vec![pair],
            advanced_criteria: None,
            search_limit: Some(5),
            search_id: None,
            search_index: None,
        };
        request.into()
    }

    fn ids(users: &[&str], groups: &[&str], domains: &[&str]) -> IdList {
        let addresses = |of: &[&str]| of.iter().map(|one| Address::new(one)).collect();
        let domains = domains.iter().map(|&one| one.into()).collect();
        IdList { user_ids: addresses(users), group_ids: addresses(groups), domains, ..IdList::default() }
    }

    #[test]
    fn what_is_looked_for_tells_who_knows_it() {
        let group = Some(Offered::Group);
        for (element, service) in [("USER_ID", None), ("USER_ALIAS", None), ("GROUP_ID", group), ("GROUP_NAME", group)]
        {
            assert_eq!(common_service(&search(element)), service, "{element}");
        }
        let (users, groups) = (["wv:alice@a.example"], ["wv:/news@a.example"]);
        for (id_list, service) in [
            (ids(&[], &groups, &[]), group),
            (ids(&users, &[], &[]), None),
            (ids(&users, &groups, &[]), None),
            (ids(&[], &groups, &["a.example"]), None),
        ] {
            assert_eq!(common_service(&VerifyIdRequest { id_list: id_list.clone() }.into()), service, "{id_list:?}");
        }
    }

    #[test]
    fn names_of_groups_are_verified_apart_from_others() {
        let (users, groups) = (["wv:alice@a.example"], ["wv:/news@a.example"]);
        let parts =
            |users: &[&str], groups: &[&str]| verified_apart(VerifyIdRequest { id_list: ids(users, groups, &[]) });
        let part =
            |users: &[&str], groups: &[&str]| Request::from(VerifyIdRequest { id_list: ids(users, groups, &[]) });
        assert_eq!(parts(&users, &groups), [part(&users, &[]), part(&[], &groups)]);
        assert_eq!(parts(&users, &[]), [part(&users, &[])]);
        assert_eq!(parts(&[], &groups), [part(&[], &groups)]);
        assert_eq!(parts(&[], &[]), [part(&[], &[])], "what is empty is refused by whoever gets it");
    }

    #[test]
    fn a_search_goes_on_where_it_began() {
        let provider = Domain::parse("p.example").expect("a domain");
        let found = |id: Option<&str>| SearchResponse {
            search_id: id.map(Box::from),
            search_findings: 9,
            completion_flag: false,
            search_index: Some(5),
            search_result: None,
        };
        for (id, then) in [("7", "7@p.example"), ("7@a.example", "7@p.example")] {
            let Response::Search(next) = goes_on_at(&provider, found(Some(id)).into()) else { panic!("{id}") };
            assert_eq!(next.search_id.as_deref(), Some(then));
        }
        assert_eq!(goes_on_at(&provider, found(None).into()), found(None).into());
    }
}
