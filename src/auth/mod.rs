//! Who is asking: logins, sessions, tokens, and the extractors that handlers name in their arguments.

pub mod extract;
