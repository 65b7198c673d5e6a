"""Who may connect: sign-in, cookies, tokens, the gate before every request, and its bounds."""
