"""The operator's service in a real browser, and the street it looks after."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from browser import Page
from fleet import PASSWORD
from simulator import BOUND


class Visitor(Page):
    """Somebody in front of the service's pages."""

    def __init__(self, driver, street):
        self.driver, self.place = driver, street.ready["fleet"]

    def go(self, path):
        self.driver.get(self.place + path)

    def make_account(self, link, email, name):
        self.driver.get(link)
        self.write("[name=email]", email)
        self.write("[name=name]", name)
        self.write("[name=password]", PASSWORD)
        self.click("main form button")
        self.one(".sections")

    def sign_in(self, email):
        self.go("/sign-in")
        self.write("[name=email]", email)
        self.write("[name=password]", PASSWORD)
        self.click("main form button")
        self.one(".sections")

    def sign_out(self):
        self.click("[action='/sign-out'] button")
        self.one("[action='/sign-in']")

    def ask(self, method, path, body=None):
        """Asks the API as the one who is signed in."""
        script = """
            const [method, path, body, done] = arguments;
            const headers = {"Content-Type": "application/json"};
            fetch(path, {method, headers, body: body && JSON.stringify(body)})
                .then(async (answer) => done({status: answer.status, body: await answer.json()}));"""
        answer = self.driver.execute_async_script(script, method, path, body)
        assert answer["status"] < 300, (method, path, answer)
        return answer["body"]

    def make_project(self, customer, name):
        """A project of a new customer; its id."""
        customer = self.ask("POST", "/api/customers", {"name": customer})["id"]
        return self.ask("POST", "/api/projects", {"customerId": customer, "name": name})["id"]

    def invitation(self, role):
        self.go("/people")
        self.choose("[data-reveal=url] [name=role]", role)
        self.click("[data-reveal=url] button")
        self._until("there is a link", lambda: self.text("[data-reveal=url] output").startswith("http"), BOUND)
        return self.text("[data-reveal=url] output")

    def shot(self, name):
        """Kept where somebody wants to look at it: COW_SCREENSHOTS=DIR."""
        assert self.width_is_kept(), f"{self.driver.current_url} is wider than the screen"
        if directory := os.environ.get("COW_SCREENSHOTS"):
            self.driver.save_screenshot(str(Path(directory) / f"fleet-{name}.png"))


def lamp(street, bay):
    return street.ask("GET", f"/control/boards/{bay}")["lamp"]["colour"]


def oauth(street, path, token=None, **form):
    """What a device asks of the service: the answer's status and JSON."""
    data = urllib.parse.urlencode(form).encode() if form else None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{street.ready['fleet']}/oauth/{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=BOUND) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)
