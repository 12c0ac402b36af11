//! The service tree (CSP 5): what a client can agree to use, as a table.

use crate::version::Version;

macro_rules! service_tree {
    ($($node:ident $depth:literal $name:literal $since:ident $until:ident $offered:literal;)*) => {
        /// A node of the service tree: the root, a feature, a function group, or a function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Function { $(#[doc = concat!("`", $name, "`")] $node),* }

        /// Every node in document order, parents before children.
        pub const FUNCTIONS: &[FunctionRow] = &[$(FunctionRow {
            function: Function::$node, depth: $depth, name: $name,
            since: Version::$since, until: Version::$until, offered: $offered,
        }),*];
    };
}

/// One node of the tree.
#[derive(Clone, Copy, Debug)]
pub struct FunctionRow {
    /// The node.
    pub function: Function,
    /// 0 the root, 1 a feature, 2 a group of functions, 3 a function. A *mandatory functions only* mark stands at depth 2.
    pub depth: u8,
    /// The element's name.
    pub name: &'static str,
    /// First version that knows it.
    pub since: Version,
    /// Last version that knows it.
    pub until: Version,
    /// Whether this server has it. Groups are offered as far as what is below them is.
    pub offered: bool,
}

service_tree! {
    // node                depth name              since until offered
    WvCspFeat               0 "WVCSPFeat"           V1_1 V1_3 true;
    FundamentalFeat         1 "FundamentalFeat"     V1_1 V1_3 true;
    Mf                      2 "MF"                  V1_2 V1_3 true;
    ServiceFunc             2 "ServiceFunc"         V1_1 V1_3 true;
    GetSpi                  3 "GETSPI"              V1_1 V1_3 true;
    GetMap                  3 "GETMAP"              V1_3 V1_3 false;
    Sgmnt                   3 "SGMNT"               V1_3 V1_3 true;
    SearchFunc              2 "SearchFunc"          V1_1 V1_3 true;
    Srch                    3 "SRCH"                V1_1 V1_3 true;
    Advsr                   3 "ADVSR"               V1_3 V1_3 true;
    StSrc                   3 "STSRC"               V1_1 V1_3 true;
    InviteFunc              2 "InviteFunc"          V1_1 V1_3 true;
    Invit                   3 "INVIT"               V1_1 V1_3 true;
    CaInv                   3 "CAINV"               V1_1 V1_3 true;
    VerifyIdFunc            2 "VerifyIDFunc"        V1_2 V1_3 true;
    Vrid                    3 "VRID"                V1_2 V1_3 true;
    PresenceFeat            1 "PresenceFeat"        V1_1 V1_3 true;
    Mp                      2 "MP"                  V1_2 V1_3 true;
    ContListFunc            2 "ContListFunc"        V1_1 V1_3 true;
    Gcli                    3 "GCLI"                V1_1 V1_3 true;
    Ccli                    3 "CCLI"                V1_1 V1_3 true;
    Dcli                    3 "DCLI"                V1_1 V1_3 true;
    Mcls                    3 "MCLS"                V1_1 V1_3 true;
    PresenceAuthFunc        2 "PresenceAuthFunc"    V1_1 V1_3 true;
    GetWl                   3 "GETWL"               V1_1 V1_3 true;
    React                   3 "REACT"               V1_1 V1_2 true;
    CaAut                   3 "CAAUT"               V1_1 V1_2 true;
    GetAut                  3 "GETAUT"              V1_2 V1_2 true;
    PresenceDeliverFunc     2 "PresenceDeliverFunc" V1_1 V1_3 true;
    GetPr                   3 "GETPR"               V1_1 V1_3 true;
    UpdPr                   3 "UPDPR"               V1_1 V1_3 true;
    AttListFunc             2 "AttListFunc"         V1_1 V1_3 true;
    Cali                    3 "CALI"                V1_1 V1_3 true;
    Dali                    3 "DALI"                V1_1 V1_3 true;
    Gals                    3 "GALS"                V1_1 V1_3 true;
    ImFeat                  1 "IMFeat"              V1_1 V1_3 true;
    Mm                      2 "MM"                  V1_2 V1_3 true;
    ImSendFunc              2 "IMSendFunc"          V1_1 V1_3 true;
    Mdeliv                  3 "MDELIV"              V1_1 V1_3 true;
    FwMsg                   3 "FWMSG"               V1_1 V1_3 true;
    ImReceiveFunc           2 "IMReceiveFunc"       V1_1 V1_3 true;
    Setd                    3 "SETD"                V1_1 V1_3 true;
    GetLm                   3 "GETLM"               V1_1 V1_3 true;
    GetM                    3 "GETM"                V1_1 V1_3 true;
    Rejcm                   3 "REJCM"               V1_1 V1_3 true;
    Notif                   3 "NOTIF"               V1_1 V1_3 true;
    NewM                    3 "NEWM"                V1_1 V1_3 true;
    OffNotif                3 "OFFNOTIF"            V1_3 V1_3 true;
    ImAuthFunc              2 "IMAuthFunc"          V1_1 V1_3 true;
    Glblu                   3 "GLBLU"               V1_1 V1_3 true;
    Blent                   3 "BLENT"               V1_1 V1_3 true;
    GroupFeat               1 "GroupFeat"           V1_1 V1_3 true;
    Mg                      2 "MG"                  V1_2 V1_3 true;
    GroupMgmtFunc           2 "GroupMgmtFunc"       V1_1 V1_3 true;
    Creag                   3 "CREAG"               V1_1 V1_3 true;
    Delgr                   3 "DELGR"               V1_1 V1_3 true;
    GetGp                   3 "GETGP"               V1_1 V1_3 true;
    SetGp                   3 "SETGP"               V1_1 V1_3 true;
    GroupUseFunc            2 "GroupUseFunc"        V1_1 V1_3 true;
    SubGcn                  3 "SUBGCN"              V1_1 V1_3 true;
    Grchn                   3 "GRCHN"               V1_1 V1_3 true;
    Excon                   3 "EXCON"               V1_3 V1_3 true;
    GroupAuthFunc           2 "GroupAuthFunc"       V1_1 V1_3 true;
    GetGm                   3 "GETGM"               V1_1 V1_3 true;
    AddGm                   3 "ADDGM"               V1_1 V1_3 true;
    RmvGm                   3 "RMVGM"               V1_1 V1_3 true;
    Mbrac                   3 "MBRAC"               V1_1 V1_3 true;
    Rejec                   3 "REJEC"               V1_1 V1_3 true;
    GetJu                   3 "GETJU"               V1_2 V1_3 true;
}

/// A set of tree nodes. As a wish or an agreement it is kept *closed*: every node stands for itself, and the functions
/// below a named node are in the set too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct FunctionSet(u128);

impl FunctionSet {
    /// Nothing.
    pub const EMPTY: Self = Self(0);

    /// Adds one node.
    pub fn insert(&mut self, function: Function) {
        self.0 |= 1 << function as u8;
    }

    /// Takes one node out.
    pub fn remove(&mut self, function: Function) {
        self.0 &= !(1 << function as u8);
    }

    /// Whether the node is in the set.
    pub fn contains(self, function: Function) -> bool {
        self.0 & (1 << function as u8) != 0
    }

    /// Whether nothing is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this and not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits, for the store.
    pub fn bits(self) -> u128 {
        self.0
    }

    /// From the bits of [`FunctionSet::bits`].
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// All leaves that a version knows; with `offered`, only those that this server has.
    pub fn leaves(version: Version, offered: bool) -> Self {
        let mut set = Self::EMPTY;
        for row in FUNCTIONS.iter().filter(|row| row.is_leaf() && row.in_version(version) && (row.offered || !offered))
        {
            set.insert(row.function);
        }
        set
    }

    /// What a request tree means (CSP 4.7): an element without children stands for everything below it, one with
    /// children for those children only. `named` holds every element that occurs in the tree. The result holds leaves.
    #[must_use]
    pub fn expanded(self, version: Version) -> Self {
        let mut set = Self::EMPTY;
        for (index, row) in FUNCTIONS.iter().enumerate().filter(|(_, row)| self.contains(row.function)) {
            let below = || {
                let rows = FUNCTIONS.iter().skip(index + 1);
                rows.take_while(|below| below.depth > row.depth)
            };
            if row.is_leaf() {
                set.insert(row.function);
            } else if !below().any(|child| self.contains(child.function)) {
                for leaf in below().filter(|leaf| leaf.is_leaf() && leaf.in_version(version)) {
                    set.insert(leaf.function);
                }
            }
        }
        set
    }

    /// The leaves that names of nodes stand for in any version, as an operator writes them: with commas or blanks between.
    ///
    /// # Errors
    /// The first word that is no node's name.
    pub fn parse(text: &str) -> Result<Self, &str> {
        let mut named = Self::EMPTY;
        for word in text.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
            let row = FUNCTIONS.iter().find(|row| row.name.eq_ignore_ascii_case(word)).ok_or(word)?;
            named.insert(row.function);
        }
        Ok(Version::ALL.into_iter().fold(Self::EMPTY, |all, version| all.or(named.expanded(version))))
    }

    /// The names of the leaves, with blanks between: what [`FunctionSet::parse`] reads.
    pub fn names(self) -> String {
        let rows = FUNCTIONS.iter().filter(|row| row.is_leaf() && self.contains(row.function));
        rows.map(|row| row.name).collect::<Vec<_>>().join(" ")
    }

    /// With the marks of the features that have a function in it: *the mandatory functions only* is refused with them.
    #[must_use]
    pub fn with_marks(self, of: Self) -> Self {
        let mut set = self;
        let mut mark = None;
        for row in FUNCTIONS {
            if row.depth == 1 {
                mark = None;
            } else if row.is_mark() {
                mark = Some(row.function);
            }
            if let Some(mark) = mark.filter(|mark| of.contains(*mark) && self.contains(row.function)) {
                set.insert(mark);
            }
        }
        set
    }

    /// The elements to write for a set of leaves: a node all of whose leaves (as the version knows them) are in the set
    /// is written without children. `None` when there is nothing to write.
    pub fn collapsed(self, version: Version) -> Option<Vec<Function>> {
        if self.is_empty() {
            return None;
        }
        let mut tree = Vec::new();
        let mut index = 0;
        let mut named_functions = false;
        while let Some(row) = FUNCTIONS.get(index) {
            let end = index + 1 + FUNCTIONS.iter().skip(index + 1).take_while(|below| below.depth > row.depth).count();
            let span = FUNCTIONS.get(index..end).unwrap_or_default();
            let mut leaves = span.iter().filter(|leaf| leaf.is_leaf() && leaf.in_version(version));
            let any = leaves.clone().any(|leaf| self.contains(leaf.function));
            let mut functions = leaves.clone().filter(|leaf| !leaf.is_mark());
            let any_function = functions.clone().any(|leaf| self.contains(leaf.function));
            let all = any_function && functions.all(|leaf| self.contains(leaf.function));
            if row.depth <= 1 {
                named_functions = any_function;
            }
            // A mark says "only the mandatory functions", so it never stands beside others.
            let silent = row.is_mark() && named_functions;
            if !any || silent || leaves.next().is_none() {
                index = end;
            } else {
                tree.push(row.function);
                index = if all { end } else { index + 1 };
            }
        }
        (!tree.is_empty()).then_some(tree)
    }
}

impl FromIterator<Function> for FunctionSet {
    fn from_iter<T: IntoIterator<Item = Function>>(functions: T) -> Self {
        let mut set = Self::EMPTY;
        functions.into_iter().for_each(|function| set.insert(function));
        set
    }
}

impl Function {
    /// The node's row.
    pub fn row(self) -> &'static FunctionRow {
        // The table is generated together with the enum, in the same order.
        &FUNCTIONS[self as usize]
    }

    /// The node with this element name.
    pub fn by_name(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|row| row.name == name).map(|row| row.function)
    }
}

impl FunctionRow {
    /// Whether nothing stands below it.
    pub fn is_leaf(&self) -> bool {
        self.depth == 3 || self.is_mark()
    }

    /// MF, MP, MM, MG: "the mandatory functions of this feature only".
    pub fn is_mark(&self) -> bool {
        matches!(self.function, Function::Mf | Function::Mp | Function::Mm | Function::Mg)
    }

    /// Whether a version knows the node.
    pub fn in_version(&self, version: Version) -> bool {
        self.since <= version && version <= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> FunctionSet {
        names.iter().map(|name| Function::by_name(name).unwrap()).collect()
    }

    #[test]
    fn rows_stand_at_their_own_index() {
        for (index, row) in FUNCTIONS.iter().enumerate() {
            assert_eq!(row.function as usize, index);
        }
    }

    #[test]
    fn what_an_operator_writes() {
        let off = FunctionSet::parse("GroupFeat, srch").unwrap();
        assert!(off.contains(Function::Creag) && off.contains(Function::Mg) && off.contains(Function::Excon));
        assert!(off.contains(Function::Srch) && !off.contains(Function::StSrc));
        assert_eq!(FunctionSet::parse(&off.names()), Ok(off));
        assert_eq!(FunctionSet::parse("SRCH Everything"), Err("Everything"));
        assert_eq!(FunctionSet::parse(""), Ok(FunctionSet::EMPTY));
        let told = set(&["CREAG"]).with_marks(off);
        assert_eq!(told, set(&["CREAG", "MG"]));
        assert_eq!(set(&["SRCH"]).with_marks(off), set(&["SRCH"]));
    }

    #[test]
    fn an_element_without_children_stands_for_all_below() {
        let wish = set(&["WVCSPFeat", "IMFeat", "IMSendFunc", "MDELIV", "PresenceFeat"]).expanded(Version::V1_1);
        assert!(wish.contains(Function::Mdeliv) && !wish.contains(Function::FwMsg) && !wish.contains(Function::NewM));
        assert!(wish.contains(Function::GetPr) && wish.contains(Function::React));
        assert!(!wish.contains(Function::GetAut), "1.1 does not know it");
        let all = set(&["WVCSPFeat"]).expanded(Version::V1_3);
        assert_eq!(all, FunctionSet::leaves(Version::V1_3, false));
    }

    #[test]
    fn what_is_complete_is_written_short() {
        let all = FunctionSet::leaves(Version::V1_2, false);
        assert_eq!(all.collapsed(Version::V1_2), Some(vec![Function::WvCspFeat]));
        assert_eq!(FunctionSet::EMPTY.collapsed(Version::V1_2), None);
        let search = set(&["SRCH", "STSRC"]).collapsed(Version::V1_2).unwrap();
        assert_eq!(search, [Function::WvCspFeat, Function::FundamentalFeat, Function::SearchFunc]);
        let mark = set(&["MG"]).collapsed(Version::V1_2).unwrap();
        assert_eq!(mark, [Function::WvCspFeat, Function::GroupFeat, Function::Mg]);
        assert_eq!(set(&["MG"]).collapsed(Version::V1_1), None);
        let one = set(&["SRCH"]).collapsed(Version::V1_1).unwrap();
        assert_eq!(one, [Function::WvCspFeat, Function::FundamentalFeat, Function::SearchFunc, Function::Srch]);
    }

    #[test]
    fn writing_and_reading_give_the_same_set() {
        for version in [Version::V1_1, Version::V1_2, Version::V1_3] {
            let offered = FunctionSet::leaves(version, true);
            let tree: FunctionSet = offered.collapsed(version).unwrap().into_iter().collect();
            let without_marks = |set: FunctionSet| {
                set.without([Function::Mf, Function::Mp, Function::Mm, Function::Mg].into_iter().collect())
            };
            assert_eq!(without_marks(tree.expanded(version)), without_marks(offered));
        }
    }
}
