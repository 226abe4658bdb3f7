//! What Apple's answer to a message to nobody says about our key, our topic and our clock, and what to do about it.

use crate::domain::alert::PushOutcome;
use crate::domain::device::Environment;
use crate::push::Verdict;

pub(super) fn of(environment: Environment, topic: &str, outcome: &PushOutcome) -> Verdict {
    let remedy = |word: &str| {
        match word {
        "InvalidProviderToken" | "MissingProviderToken" => {
            "see that MENDLINE_APNS_KEY, MENDLINE_APNS_KEY_ID and MENDLINE_APNS_TEAM_ID belong together and that the key \
             was not revoked"
                .to_owned()
        }
        "ExpiredProviderToken" => "set this machine's clock: Apple reckons our fresh token to be an hour old".to_owned(),
        "BadTopic" | "MissingTopic" | "TopicDisallowed" | "DeviceTokenNotForTopic" => {
            format!("MENDLINE_APNS_TOPIC: {topic} is not an app of this team, or not one that the key may send for")
        }
        _ => "see MENDLINE_APNS_KEY and MENDLINE_APNS_BASE_URL".to_owned(),
    }
    };
    match (outcome, outcome.reason().unwrap_or_default()) {
        (_, word) if word.starts_with("BadEnvironmentKey") => {
            let because = format!("the key is not for {environment}: {word}");
            let remedy = "make a key for this environment, unless no device is in it".to_owned();
            match environment {
                Environment::Production => Verdict::Bad { because, remedy },
                Environment::Sandbox => Verdict::Doubtful { because, remedy },
            }
        }
        (PushOutcome::Rejected { .. } | PushOutcome::AddressSuspect { .. }, word) if word.contains("Topic") => {
            Verdict::bad(format!("refused: {word}"), remedy(word))
        }
        _ => Verdict::of_probe(outcome, remedy),
    }
}
