"""Reads a demo's calendar feeds as strictly as other people's parsers can: every patient's, neutral and with details."""

import os
import sys

import icalendar
import requests
import vobject

from callers import SESSIONS, URL

# RFC 5545, 3.6.1: what an event has exactly once, and at most once.
ONCE = ["UID", "DTSTAMP", "DTSTART"]
AT_MOST_ONCE = ["CLASS", "CREATED", "DESCRIPTION", "DTEND", "DURATION", "LAST-MODIFIED", "SEQUENCE", "STATUS", "SUMMARY", "TRANSP"]


def check(text):
    """Raises where a line, a value or a component is not as RFC 5545 wants it; returns how many events there are."""
    assert text.endswith("END:VCALENDAR\r\n") and "\n" not in text.replace("\r\n", ""), "lines end with CRLF"
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n")), "lines are folded"
    calendar = icalendar.Calendar.from_ical(text)
    assert calendar.name == "VCALENDAR" and not calendar.errors, calendar.errors
    assert str(calendar["VERSION"]) == "2.0" and calendar["PRODID"]
    names, events = set(), 0
    for event in calendar.walk("VEVENT"):
        assert not event.errors, event.errors
        for name in ONCE:
            assert name in event and not isinstance(event[name], list), name
        for name in AT_MOST_ONCE:
            assert not isinstance(event.get(name), list), name
        assert not ("DTEND" in event and "DURATION" in event)
        if "DTEND" in event:
            assert type(event.decoded("DTEND")) is type(event.decoded("DTSTART")) and event.decoded("DTEND") > event.decoded("DTSTART")
        assert event["UID"] not in names, "an event is named once"
        names.add(event["UID"])
        events += 1
    # Another parser, with a validator of its own.
    assert vobject.readOne(text).validate(raiseException=True)
    return events


def main():
    feeds = events = 0
    for session in SESSIONS:
        headers = {"Authorization": f"Bearer {session.access}"}
        for details in (False, True):
            requests.put(f"{URL}/v1/me/notification-preferences", headers=headers, json={"show_details": details}, timeout=30)
            made = requests.post(f"{URL}/v1/me/calendar-feeds", headers=headers, json={}, timeout=30)
            if made.status_code == 403:
                break  # Staff have none.
            made.raise_for_status()
            path = made.json()["url"].split("/v1/", 1)[1]
            feed = requests.get(f"{URL}/v1/{path}", timeout=30)
            feed.raise_for_status()
            feed.encoding = "utf-8"
            events += check(feed.text)
            feeds += 1
            requests.delete(f"{URL}/v1/me/calendar-feeds/{made.json()['id']}", headers=headers, timeout=30).raise_for_status()
    print(f"{feeds} calendar feeds with {events} events, as RFC 5545 wants them")
    return 0 if events > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
