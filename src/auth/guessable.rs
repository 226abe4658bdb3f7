//! Passwords that are long enough and still among the first that anybody would try: common ones, patterns, and what can
//! be read off the person or the clinic. Pure.

/// Fewer different characters than this are a pattern, not a password.
const LEAST_VARIETY: usize = 5;
/// A text that repeats with a period of at most so many characters is a pattern.
const LONGEST_PERIOD: usize = 8;
/// So many characters must be left once all is taken out that is known of the person and the clinic.
const LEAST_OWN: usize = 8;
/// Shorter words of a name say nothing of anybody.
const SHORTEST_WORD: usize = 4;
/// What fingers and children walk along, to and fro.
const WALKS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "qsdfghjklm",
    "zxcvbnm",
    "yxcvbnm",
    "wxcvbn",
];
/// Common passwords of at least 15 characters, as letters and digits in lower case. The second part are all those of that
/// length among the 47,023 of zxcvbn (Dropbox, MIT), which are the most frequent of ten million that were leaked.
const COMMON: &[&str] = &[
    "password12345678",
    "password123456789",
    "password1234567890",
    "passwort12345678",
    "mypassword123456",
    "thisismypassword",
    "correcthorsebatterystaple",
    "1q2w3e4r5t6y7u8i",
    "1q2w3e4r5t6y7u8i9o0p",
    "administrator123",
    "welcomewelcome1",
    "welcome123456789",
    "microneedling123",
    "dermatology12345",
    // From zxcvbn.
    "mailcreated5240",
    "polniypizdec0211",
    "1qaz2wsx3edc4rfv",
    "momsanaladventure",
    "hd764nw5d7e1vb1",
    "qazwsxedcrfvtgb",
    "23176djivanfros",
    "123456789987654321",
    "12345678900987654321",
    "polniypizdec110211",
    "12345678987654321",
    "123456789qwerty",
    "qwerty123456789",
    "q1w2e3r4t5y6u7i8",
    "zqjphsyf6ctifgu",
    "lhbjkjubz2957704",
    "1qazxsw23edcvfr4",
    "nemvxyheqdd5oqxyxyzi",
    "1234qwerasdfzxcv",
    "q1w2e3r4t5y6u7i8o9p0",
    "passwordstandard",
    "1234567890qwerty",
    "1234567890987654321",
    "bpgjldsgjldthnf",
    "1qa2ws3ed4rf5tg",
    "qwertyuiop12345",
    "1234567887654321",
    "111222333444555",
    "122333444455555",
    "zxcvbnm123456789",
    "qwertasdfgzxcvb",
    "nick1234rem936",
    "aksjdlasdakj89879",
    "lytdybrbdfvgbhf",
    "420842084208555",
    "polniypizdec1102",
    "neepodchehyl",
    "hd764nw5d7e1vbv",
    "passwordassword",
    "bhrh0h2oof6xbqjeh",
];

/// Whether a password is common, or a mere pattern.
pub fn is_common(password: &str) -> bool {
    let variety = password.chars().collect::<std::collections::BTreeSet<_>>().len();
    let plain = plain(password);
    variety < LEAST_VARIETY || COMMON.contains(&plain.as_str()) || repeats(&plain) || walks(&plain)
}

/// Whether hardly anything is left of a password once the words are taken out that others know: of an address, a name, a
/// clinic.
pub fn is_derived(password: &str, known: &[&str]) -> bool {
    let mut words: Vec<String> = known
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()).chain([*text]))
        .map(plain)
        .filter(|word| word.chars().count() >= SHORTEST_WORD)
        .collect();
    words.push("mendline".to_owned());
    // The longest first: an address as a whole before its parts.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let whole = plain(password);
    let own = words.iter().fold(whole.clone(), |left, word| left.replace(word.as_str(), ""));
    own.len() < whole.len() && own.chars().count() < LEAST_OWN
}

/// Letters and digits in lower case.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn repeats(plain: &str) -> bool {
    let characters: Vec<char> = plain.chars().collect();
    (1..=LONGEST_PERIOD.min(characters.len() / 2))
        .any(|period| characters.iter().zip(&characters[period..]).all(|(one, next)| one == next))
}

/// Whether two of three steps from one character to the next lead along a walk.
fn walks(plain: &str) -> bool {
    let characters: Vec<char> = plain.chars().collect();
    let is_step = |pair: &&[char]| {
        let (to, fro) = (String::from_iter(*pair), pair.iter().rev().collect::<String>());
        WALKS.iter().any(|walk| walk.contains(&to) || walk.contains(&fro))
    };
    let pairs = characters.len().saturating_sub(1);
    pairs > 0 && characters.windows(2).filter(is_step).count() * 3 >= pairs * 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn common_ones_and_patterns_are_told_from_words() {
        for common in [
            "aaaaaaaaaaaaaaaaaaaa",
            "Password-Password",
            "letmein letmein letmein",
            "changemechangeme",
            "1234567890 123456",
            "qwertyuiopasdfgh",
            "QWERTZUIOPASDFGHJKL",
            "zyxwvutsrqponmlk",
            "09876543210987654321",
            "abcdefghijklmnopqrstuvwxyz1234567890",
            "Correct Horse Battery Staple!",
            "1qaz2wsx3edc4rfv",
            "ababcdababcdababcd",
        ] {
            assert!(is_common(common), "{common}");
        }
        for own in
            ["four plain words together", "ünïcödé wörter éins", "most understood hijacks", "pass the word 4711 on"]
        {
            assert!(!is_common(own), "{own}");
        }
    }

    #[test]
    fn what_others_know_of_a_person_makes_no_password() {
        let known = ["jo.smith@clinic.example", "Dr. Joanna Smith", "Lindenhof Skin Clinic"];
        for derived in [
            "jo.smith@clinic.example",
            "LindenhofSkinClinic",
            "lindenhof-clinic-1",
            "Joanna-Smith-1987",
            "mendline mendline",
            "smith.lindenhof.22",
        ] {
            assert!(is_derived(derived, &known), "{derived}");
        }
        for own in ["four plain words together", "smith likes tall ships", "jo and four small words"] {
            assert!(!is_derived(own, &known), "{own}");
        }
        assert!(!is_derived("short but nobody's", &[]));
    }

    #[test]
    fn every_common_one_is_written_as_it_is_looked_up() {
        for common in COMMON {
            assert_eq!(plain(common), *common, "never matches");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_rules_fall_over(password in "\\PC{0,40}", known in "\\PC{0,20}") {
            let _ = (is_common(&password), is_derived(&password, &[&known]));
        }
    }
}
