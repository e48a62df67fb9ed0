"""A route that does nothing, served as Muster's API is: what a call costs before Muster does anything."""

import sys

from flask import Flask

from api.server import serve

app = Flask("trivial")


@app.get("/")
def nothing() -> dict[str, str]:
    """Answer."""
    return {"answer": "nothing"}


if __name__ == "__main__":
    serve(app, "127.0.0.1", int(sys.argv[1]))
