"""The root address: on to the page that is of use now."""

import streamlit as st

from core.errors import ServiceError
from dashboard import pages
from dashboard.services import get_services

try:
    nothing_yet = get_services().registrations.is_empty()
except ServiceError:
    # The next page says what is out of reach.
    nothing_yet = False
st.switch_page(pages.START if nothing_yet else pages.VALIDATE)
