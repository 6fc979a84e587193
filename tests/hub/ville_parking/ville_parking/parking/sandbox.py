"""A car park that takes a subscription once under each key."""

from typing import ClassVar

import orjson
from aiohttp import web

from connectors._transport.sandbox import COMMON, HttpSandbox
from hub.connector import Fault
from hub.model import Verdict


class Sandbox(HttpSandbox):
    menu: ClassVar = {**COMMON, "full": Fault(title="has no place left", verdict=Verdict.REFUSED)}

    def __init__(self):
        super().__init__()
        self.subscribed = {}

    def sample(self, _operation):
        return {"titulaire": "LEFÈVRE", "plaque": "AB-123-CD"}

    async def serve(self, request):
        if request.method == "GET":
            return web.Response()
        key = request.headers["Idempotency-Key"]
        if key not in self.subscribed:
            self.take(key)
            self.subscribed[key] = orjson.loads(await request.read())
        return web.json_response({"abonnement": f"P-{key}"})

    async def play(self, fault, request, answer):
        if fault == "full":
            return web.json_response({"refus": "COMPLET"})
        return await super().play(fault, request, answer)
