"""The root address: on to the page that is of use now."""

import streamlit as st

from core.domain.errors import ServiceError
from dashboard import pages
from dashboard.services import get_services

services = get_services()
try:
    nothing_yet = services.registrations.is_empty()
except ServiceError:
    # The next page says what is out of reach.
    nothing_yet = False
target = pages.first(services.principal)
if nothing_yet and pages.may_open(services.principal, pages.START):
    target = pages.START
assert target, "who may open no page has no home"
st.switch_page(target)
