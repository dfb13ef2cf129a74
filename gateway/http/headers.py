"""The security headers of every answer: Helmet's defaults, with a stricter content policy. Used by the edge."""

from aiohttp import web

# Of answers that are no page; a page brings a policy of its own.
_DATA_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_ALWAYS = {
    "Content-Security-Policy": _DATA_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "X-Frame-Options": "DENY",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-XSS-Protection": "0",  # old browsers' filter can be turned against the page
}
_HSTS = "max-age=31536000; includeSubDomains"


def protect(response: web.StreamResponse, *, production: bool) -> None:
    """Put the headers on an answer that is about to be sent; what the answer has set itself stays."""
    headers = response.headers
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    if production:  # TLS ends before us, and browsers ignore the header on plain HTTP
        headers.setdefault("Strict-Transport-Security", _HSTS)
    headers.popall("Server", None)  # which software and version is nobody's business
