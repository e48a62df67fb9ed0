"""The query of every list: which page, and how large."""

from typing import ClassVar

from api.schema.field import Example, QueryWhole, RequestSchema, documented

LARGEST_PAGE = 2**31 - 1
MOST_A_PAGE = 2000


class Page(RequestSchema):
    """Page from 1, size to 2000 (default 10)."""

    page = QueryWhole(1, LARGEST_PAGE, load_default=1, metadata=documented("Which page, from 1."))
    size = QueryWhole(1, MOST_A_PAGE, load_default=10, metadata=documented("How many entries a page has."))

    example: ClassVar[Example] = {"page": "1", "size": "2"}
