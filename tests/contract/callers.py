"""Who asks while the contract is tried: the people of a demo, each by a session of their own, in turn."""

import itertools
import os

import requests
import schemathesis

URL = os.environ["CONTRACT_URL"]
# "name password" each, as the demo prints them.
LOGINS = [line.split() for line in os.environ["CONTRACT_LOGINS"].splitlines()]


class Session:
    """One login. It is renewed by its refresh token: logging in again and again would be slowed down, as it should be."""

    def __init__(self, email, password):
        answer = requests.post(f"{URL}/v1/auth/login", json={"email": email, "password": password}, timeout=30)
        self.keep(answer)

    def keep(self, answer):
        answer.raise_for_status()
        tokens = answer.json()["tokens"]
        self.access, self.renew_by = tokens["access_token"], tokens["refresh_token"]

    def renew(self):
        self.keep(requests.post(f"{URL}/v1/auth/refresh", json={"refresh_token": self.renew_by}, timeout=30))


SESSIONS = [Session(*login) for login in LOGINS]
TURNS = itertools.count()


@schemathesis.auth(refresh_interval=600)
class Callers:
    """Tokens live for a quarter of an hour."""

    first = True

    def get(self, case, context):
        if not Callers.first:
            for session in SESSIONS:
                session.renew()
        Callers.first = False
        return [session.access for session in SESSIONS]

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data[next(TURNS) % len(data)]}"
