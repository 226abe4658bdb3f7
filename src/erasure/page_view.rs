//! The public page as HTML: a form, or the facts with a button, or what was done. It needs no script and loads nothing.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::page_words::Words;
use super::view::DeletionView;

/// What is inlined, and named in the policy under which browsers show the page.
pub(super) const STYLE: &str = include_str!("page.css");
/// Where its forms go.
const PATH: &str = "/account/deletion";

/// What the page shows.
pub(super) enum Shown<'a> {
    /// Who are you? With what was wrong before.
    Form(Option<String>),
    /// What would happen, and the word that the decision is sent with.
    Facts(&'a DeletionView, &'a str),
    /// It has happened before, and can be taken back.
    Pending(DateTime<Utc>, &'a str),
    /// It has happened.
    Deleted(DateTime<Utc>),
    /// It was taken back.
    Kept,
}

/// The whole page; `days` is how long a login can be brought back.
pub(super) fn page(words: &Words, days: i64, shown: &Shown<'_>) -> String {
    let body = match shown {
        Shown::Form(wrong) => form(words, days, wrong.as_deref()),
        Shown::Facts(outlook, token) => facts(words, outlook, token),
        Shown::Pending(erase_at, token) => {
            paragraph(&words.pending.replace("{date}", &date(*erase_at))) + &decision(words.keep, "keep", token)
        }
        Shown::Deleted(erase_at) => paragraph(&words.deleted.replace("{date}", &date(*erase_at))),
        Shown::Kept => paragraph(words.is_kept),
    };
    let (language, title) = (words.language, words.title);
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n"
    )
}

fn form(words: &Words, days: i64, wrong: Option<&str>) -> String {
    let mut html = String::new();
    if let Some(wrong) = wrong {
        let _ = writeln!(html, "<p role=\"alert\">{}</p>", escape(wrong));
    }
    let window = words.window.replace("{days}", &days.to_string());
    html += &paragraph(words.intro);
    html += &list([words.at_once, window.as_str(), words.kept].map(str::to_owned));
    let _ = writeln!(html, "<form method=\"post\" action=\"{PATH}\">");
    for (name, label, rest) in [
        ("email", words.email, "type=\"email\" autocomplete=\"username\" maxlength=\"254\" required"),
        ("password", words.password, "type=\"password\" autocomplete=\"current-password\" maxlength=\"256\" required"),
        ("code", words.code, "autocomplete=\"one-time-code\" maxlength=\"40\""),
    ] {
        let _ = writeln!(html, "<label for=\"{name}\">{label}</label>\n<input id=\"{name}\" name=\"{name}\" {rest}>");
    }
    let _ = writeln!(html, "<button>{}</button>\n</form>", words.go_on);
    html
}

fn facts(words: &Words, outlook: &DeletionView, token: &str) -> String {
    let mut facts = vec![words.at_once.to_owned(), words.until.replace("{date}", &date(outlook.erase_at))];
    facts.extend(outlook.clinics.iter().map(|clinic| {
        let says = match clinic.purge_at {
            _ if clinic.last_administrator => words.last_administrator.to_owned(),
            Some(purge_at) => words.record.replace("{date}", &date(purge_at)),
            None => words.membership.to_owned(),
        };
        says.replace("{clinic}", &clinic.clinic_name)
    }));
    let mut html = format!("<h2>{}</h2>\n{}", words.facts, list(facts));
    if outlook.possible {
        html += &decision(words.delete, "delete", token);
    }
    html
}

/// A button, and what it sends.
fn decision(label: &str, decision: &str, token: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{PATH}\">\n<input type=\"hidden\" name=\"token\" value=\"{}\">\n\
         <button name=\"decision\" value=\"{decision}\">{label}</button>\n</form>\n",
        escape(token)
    )
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape(text))
}

fn list(entries: impl IntoIterator<Item = String>) -> String {
    let entries = entries.into_iter().fold(String::new(), |html, entry| html + "<li>" + &escape(&entry) + "</li>\n");
    format!("<ul>\n{entries}</ul>\n")
}

/// The same for everybody, wherever they are.
fn date(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d, %H:%M UTC").to_string()
}

/// A text that stays one, whatever it holds.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut html, c| {
        match c {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#39;",
            c => html.push(c),
        }
        html
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clinic_is_called_as_it_calls_itself_and_nothing_of_it_becomes_markup() {
        assert_eq!(escape("<b>\"A&B's\"</b>"), "&lt;b&gt;&quot;A&amp;B&#39;s&quot;&lt;/b&gt;");
    }
}
