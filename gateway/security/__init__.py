"""Who a caller is and how often they may call: tokens, sessions, passwords, limits, browsers."""
