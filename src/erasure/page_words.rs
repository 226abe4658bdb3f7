//! What the public page for the end of a login says, in the languages that it speaks.

/// The languages of [`of`].
pub(super) const LANGUAGES: &[&str] = &["en", "de"];

/// Every sentence. `{date}`, `{clinic}`, `{days}` and `{seconds}` stand for what they name.
pub(super) struct Words {
    pub(super) language: &'static str,
    pub(super) title: &'static str,
    pub(super) intro: &'static str,
    pub(super) at_once: &'static str,
    pub(super) window: &'static str,
    pub(super) kept: &'static str,
    pub(super) email: &'static str,
    pub(super) password: &'static str,
    pub(super) code: &'static str,
    pub(super) go_on: &'static str,
    pub(super) wrong: &'static str,
    pub(super) code_required: &'static str,
    pub(super) wait: &'static str,
    pub(super) late: &'static str,
    pub(super) alone: &'static str,
    pub(super) facts: &'static str,
    pub(super) until: &'static str,
    pub(super) record: &'static str,
    pub(super) membership: &'static str,
    pub(super) last_administrator: &'static str,
    pub(super) delete: &'static str,
    pub(super) deleted: &'static str,
    pub(super) pending: &'static str,
    pub(super) keep: &'static str,
    pub(super) is_kept: &'static str,
}

const ENGLISH: Words = Words {
    language: "en",
    title: "Delete your login",
    intro: "Here you delete the login that you use with your clinic's app. You see what it means before you decide.",
    at_once: "You are logged out everywhere at once, and nothing reminds you of anything any more.",
    window: "You can change your mind for a while (now: {days} days). After that your address, your password, your devices and your \
             settings are erased for good.",
    kept: "Your clinic has to keep the record of your treatments for some years. It keeps it without your login, changes nothing in \
           it, and removes it when that time is over. The date is shown in the next step.",
    email: "E-mail address",
    password: "Password",
    code: "Code of your authenticator app, if you use one",
    go_on: "Show me what happens",
    wrong: "The address, the password or the code is wrong.",
    code_required: "Your login has a second factor: please type the password again, and a code.",
    wait: "Too many tries. Please come back in {seconds} seconds.",
    late: "That took too long, or your password has changed. Please begin again.",
    alone: "Nothing was deleted: you have become a clinic's last administrator. Please name another one first, then begin again.",
    facts: "This is what happens",
    until: "You can take it back until {date}, here or in the app. Then it is final.",
    record: "{clinic} keeps the record of your treatments until {date}, read-only and without your login, and then removes it.",
    membership: "{clinic}: your membership ends. What you wrote there stays, without your name.",
    last_administrator: "{clinic}: you are the last administrator. Please name another one first.",
    delete: "Delete my login",
    deleted: "Your login is deleted. You can take it back on this page until {date}.",
    pending: "You have deleted your login. Until {date} you can take it back.",
    keep: "Take it back",
    is_kept: "Your login is there again. Please log in to the app: it registers your phone anew.",
};

const GERMAN: Words = Words {
    language: "de",
    title: "Zugang löschen",
    intro: "Hier löschen Sie den Zugang, den Sie mit der App Ihrer Praxis benutzen. Bevor Sie sich entscheiden, sehen Sie, was das \
            bedeutet.",
    at_once: "Sie werden sofort überall abgemeldet, und nichts erinnert Sie mehr.",
    window: "Eine Zeit lang können Sie es sich anders überlegen (zurzeit {days} Tage). Danach werden Ihre Adresse, Ihr Passwort, Ihre \
             Geräte und Ihre Einstellungen endgültig gelöscht.",
    kept: "Ihre Praxis muss die Akte Ihrer Behandlungen einige Jahre aufbewahren. Sie behält sie ohne Ihren Zugang, ändert nichts \
           mehr darin und entfernt sie, wenn diese Zeit um ist. Das Datum sehen Sie im nächsten Schritt.",
    email: "E-Mail-Adresse",
    password: "Passwort",
    code: "Code Ihrer Authenticator-App, falls Sie eine benutzen",
    go_on: "Zeigen, was geschieht",
    wrong: "Adresse, Passwort oder Code stimmt nicht.",
    code_required: "Ihr Zugang hat einen zweiten Faktor: Bitte geben Sie das Passwort noch einmal und einen Code ein.",
    wait: "Zu viele Versuche. Bitte kommen Sie in {seconds} Sekunden wieder.",
    late: "Das hat zu lange gedauert, oder Ihr Passwort hat sich geändert. Bitte fangen Sie von vorn an.",
    alone: "Es wurde nichts gelöscht: Eine Praxis hat sonst niemanden mehr, der sie verwaltet. Bitte benennen Sie zuerst jemand \
            anderen und fangen Sie dann von vorn an.",
    facts: "Das geschieht",
    until: "Bis {date} können Sie es zurücknehmen, hier oder in der App. Dann ist es endgültig.",
    record: "{clinic} bewahrt die Akte Ihrer Behandlungen bis {date} auf, unveränderlich und ohne Ihren Zugang, und entfernt sie dann.",
    membership: "{clinic}: Ihre Mitgliedschaft endet. Was Sie dort geschrieben haben, bleibt, ohne Ihren Namen.",
    last_administrator: "{clinic}: Sie sind die letzte Administratorin oder der letzte Administrator. Bitte benennen Sie zuerst jemand \
                         anderen.",
    delete: "Meinen Zugang löschen",
    deleted: "Ihr Zugang ist gelöscht. Bis {date} können Sie das auf dieser Seite zurücknehmen.",
    pending: "Sie haben Ihren Zugang gelöscht. Bis {date} können Sie das zurücknehmen.",
    keep: "Zurücknehmen",
    is_kept: "Ihr Zugang ist wieder da. Bitte melden Sie sich in der App an: Sie registriert Ihr Telefon neu.",
};

/// The words in one of the [`LANGUAGES`].
pub(super) fn of(language: &str) -> &'static Words {
    if language == GERMAN.language { &GERMAN } else { &ENGLISH }
}
