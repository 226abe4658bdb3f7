//! Origins of browser apps, as browsers write them: scheme, host, and the port unless it is the scheme's own.

use std::str::FromStr;

use url::Url;

/// An origin in the form that browsers send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin(pub(super) String);

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "expected scheme://host or scheme://host:port and nothing after it";
        if text == "*" {
            return Err("it would let every page of the web use the API; name the origins of your own apps");
        }
        let after_scheme = text.split_once("://").ok_or(FORM)?.1;
        if after_scheme.contains(['/', '?', '#', '@', '*']) {
            return Err(FORM);
        }
        let url: Url = text.parse().map_err(|_details: url::ParseError| FORM)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(FORM)?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self(format!("{}://{host}{port}", url.scheme())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        for (given, sent) in [
            ("https://app.example.org", "https://app.example.org"),
            ("HTTPS://App.Example.ORG:443", "https://app.example.org"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(given.parse(), Ok(Origin(sent.to_owned())));
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        let refused = [
            "*",
            "null",
            "app.example.org",
            "app.example.org:443",
            "https://",
            "https://app.example.org/",
            "https://app.example.org/app",
            "https://app.example.org?x",
            "https://user@app.example.org",
            "https://*.example.org",
            "https://app.example.org:port",
        ];
        for text in refused {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
