//! *Search-Request* and *-Response*: a user looks for users or groups. CSP 7.1.

use crate::elements::SearchPairs;
use crate::grammar::primitive;
use imps_types::element::{SearchPair, SearchResult};

primitive! {
    /// A user begins a search, by criteria, or goes on with one, by its SearchID.
    SearchRequest {
        /// What is looked for; none when a search goes on.
        via pairs: Vec<SearchPair> = SearchPairs,
        /// How the criteria belong together, 1.3: all must fit, if nothing is said.
        optional advanced_criteria: Box<str> = AdvancedCriteria since V1_3,
        /// How many items one answer may have.
        optional search_limit: u32 = SearchLimit,
        /// Which search goes on.
        optional search_id: Box<str> = SearchId,
        /// With which item, counted from 1.
        optional search_index: u32 = SearchIndex,
    }
}

primitive! {
    /// What was found.
    SearchResponse {
        /// By what the search goes on; absent when there is nothing to go on with.
        optional search_id: Box<str> = SearchId,
        /// How many items were found in all.
        required search_findings: u32 = SearchFindings,
        /// Whether nothing is left.
        required completion_flag: bool = CompletionFlag,
        /// The index to ask for next.
        optional search_index: u32 = SearchIndex,
        /// The items of this answer.
        optional search_result: SearchResult = SearchResult,
    }
}
