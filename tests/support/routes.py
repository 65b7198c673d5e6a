"""The API's routes as tests walk them."""

from __future__ import annotations

from dashboard.api.endpoints import ENDPOINTS

#: (method, path) -> the actions that the route takes, all of them.
ROUTES = {(endpoint.method, endpoint.path): endpoint.actions for endpoint in ENDPOINTS}
