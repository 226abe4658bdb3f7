//! The words for what is compared. Their order is that in which changes are told.

use crate::domain::words::word_enum;

word_enum! {
    /// What about an entry, or about the plan as a whole, is compared.
    pub enum Aspect {
        /// What it is called.
        Title = "title",
        /// What sort of entry it is.
        Kind = "kind",
        /// What it is about, shared with related items.
        Group = "group",
        /// How the window is meant.
        Relation = "relation",
        /// How its window counts time.
        Basis = "basis",
        /// When it begins to hold.
        Opens = "opens",
        /// When it ends: for a restriction the hard bound, where a condition ends it the earliest end.
        Closes = "closes",
        /// Where a condition ends it: the latest end.
        ClosesLatest = "closes_latest",
        /// The condition that ends it.
        EndsWith = "ends_with",
        /// Its times of day, where it has no last day.
        TimesOfDay = "times_of_day",
        /// The soft bound.
        SoftCloses = "soft_closes",
        /// Where a condition ends it: the latest soft bound.
        SoftClosesLatest = "soft_closes_latest",
        /// The condition that ends what is advisable.
        SoftEndsWith = "soft_ends_with",
        /// The shortest figure of the sources.
        SourcesShortest = "sources_shortest",
        /// The longest figure of the sources.
        SourcesLongest = "sources_longest",
        /// How it repeats.
        Recurrence = "recurrence",
        /// How long a task may be ticked off late.
        Grace = "grace",
        /// Who acts.
        Actor = "actor",
        /// Whether its tasks enter compliance.
        Counts = "counts",
        /// What a task weighs there.
        Weight = "weight",
        /// Which of two milestones wins a day.
        Priority = "priority",
        /// Whether an open flag holds its alerts back.
        HoldOnFlag = "hold_on_flag",
        /// When an alert is due.
        Reminder = "reminder",
        /// What it says.
        Body = "body",
        /// Why it should wait.
        Why = "why",
        /// What is fine meanwhile.
        Instead = "instead",
        /// What still holds between the hard and the soft bound.
        SoftAdvice = "soft_advice",
        /// What an alert says.
        Alert = "alert",
        /// Items worth reading next.
        Links = "links",
        /// How soon somebody should look.
        Level = "level",
        /// The advice that a rule gives.
        Advice = "advice",
        /// What must be reported.
        When = "when",
        /// When to look again.
        Recheck = "recheck",
        /// The check-in's field that must be absent.
        Field = "field",
        /// Reports earlier than this say nothing.
        CountsFrom = "counts_from",
        /// How a field is asked.
        Question = "question",
        /// The answers to choose from.
        Anchors = "anchors",
        /// The facts behind it.
        Evidence = "evidence",
        /// Whether the figure is ours.
        ProductDecision = "product_decision",
        /// What the protocol is called.
        Name = "name",
        /// Areas of the body it was written for.
        Areas = "areas",
        /// Ways of treating it was written for.
        Modalities = "modalities",
        /// How many treatments are usual.
        Sessions = "sessions",
        /// The most treatments that may be planned.
        MostSessions = "most_sessions",
        /// The shortest interval between two treatments.
        IntervalMin = "interval_min",
        /// The longest.
        IntervalMax = "interval_max",
        /// The most alerts on one day.
        AlertsADay = "alerts_a_day",
        /// What check-ins ask, in order.
        Asks = "asks",
        /// Why facts are carried by nothing.
        NotCarried = "not_carried",
        /// The language it was written in first.
        BaseLocale = "base_locale",
        /// The languages it speaks.
        Locales = "locales",
    }
}
