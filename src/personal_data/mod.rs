//! What the database knows of a person, table by table and column by column: what goes with the login, what with the record,
//! what stays and why; what the person is given who asks for all of it, and what not and why. An export is made from these
//! lists, and a test holds an erasure to them. A column that stands in none of them fails the test.

mod login;
mod record;
mod rest;

/// When the rows of a table go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goes {
    /// When the login is erased.
    WithLogin,
    /// When the record is purged.
    WithRecord,
    /// By no erasure, for this reason.
    Stays(&'static str),
}

/// Which rows of a table are a person's, as a condition on `t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A login's: `$login` stands for it.
    Login(&'static str),
    /// A record's: `$clinic` and `$patient` stand for it.
    Record(&'static str),
    /// Nobody's, or nobody's in particular.
    Nobodys,
}

/// One table.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// When its rows go.
    pub goes: Goes,
    /// Emptied when the login is erased, in rows that stay longer.
    pub cleared: &'static [&'static str],
    /// Whose its rows are.
    pub whose: Whose,
    /// What the person is given.
    pub shown: &'static [&'static str],
    /// What clinics note for themselves: given to whoever exports a record for its clinic.
    pub noted: &'static [&'static str],
    /// What nobody is given, and why not.
    pub withheld: &'static [(&'static str, &'static [&'static str])],
}

/// Secrets, and what can be used in place of one.
const SECRET: &str = "a secret, or the hash of one: worth something to a thief alone";
/// Whose row it is.
const OWN: &str = "says whose the row is, which the export says once";
/// Ids of others.
const OTHERS: &str = "the id of who did it, who may be somebody else";
/// What only this program has a use for.
const WORKING: &str = "a figure that the server works with and that says nothing of the person";

/// Every table.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    [login::TABLES, record::TABLES, rest::TABLES].into_iter().flatten()
}

impl Table {
    /// A table of a login's, all of which goes with it.
    const fn of_login(name: &'static str, whose: &'static str) -> Self {
        let whose = Whose::Login(whose);
        Self { name, goes: Goes::WithLogin, cleared: &[], whose, shown: &[], noted: &[], withheld: &[] }
    }

    /// A table of a record's, all of which goes with it.
    const fn of_record(name: &'static str, whose: &'static str) -> Self {
        let whose = Whose::Record(whose);
        Self { name, goes: Goes::WithRecord, cleared: &[], whose, shown: &[], noted: &[], withheld: &[] }
    }

    /// A table that stays.
    const fn stays(name: &'static str, why: &'static str) -> Self {
        let goes = Goes::Stays(why);
        Self { name, goes, cleared: &[], whose: Whose::Nobodys, shown: &[], noted: &[], withheld: &[] }
    }

    const fn shown(self, shown: &'static [&'static str]) -> Self {
        Self { shown, ..self }
    }

    const fn noted(self, noted: &'static [&'static str]) -> Self {
        Self { noted, ..self }
    }

    const fn withheld(self, withheld: &'static [(&'static str, &'static [&'static str])]) -> Self {
        Self { withheld, ..self }
    }

    const fn cleared(self, cleared: &'static [&'static str]) -> Self {
        Self { cleared, ..self }
    }

    const fn whose(self, whose: Whose) -> Self {
        Self { whose, ..self }
    }

    /// All columns that it names.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> {
        let withheld = self.withheld.iter().flat_map(|(_, columns)| *columns);
        self.shown.iter().chain(self.noted).chain(withheld).copied()
    }
}
