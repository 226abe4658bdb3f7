//! What may be told of a push service. A phone's owner may run one of their own, and its address says whose it is: other
//! clinics' administrators and logs get to know those alone that many people use.

/// What all other origins are called.
pub const OTHER: &str = "web_push other";

/// Origins of Web Push that say nothing about who uses them.
const USED_BY_MANY: [&str; 4] = [
    "https://fcm.googleapis.com",
    "https://updates.push.services.mozilla.com",
    "https://web.push.apple.com",
    "https://ntfy.sh",
];

/// The service's name as anybody may read it.
pub fn public_name(service: &str) -> &str {
    let windows = service.starts_with("https://") && service.ends_with(".notify.windows.com");
    let is_origin = service.contains("://") || service == "no origin";
    if is_origin && !windows && !USED_BY_MANY.contains(&service) { OTHER } else { service }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_that_few_use_is_not_told() {
        for known in [
            "fcm",
            "expo",
            "apns production",
            "web_push",
            "https://fcm.googleapis.com",
            "https://db5p.notify.windows.com",
        ] {
            assert_eq!(public_name(known), known);
        }
        for own in [
            "https://push.lovelace.example",
            "http://127.0.0.1:8080",
            "no origin",
            "https://fcm.googleapis.com.example",
        ] {
            assert_eq!(public_name(own), OTHER);
        }
    }
}
