"""The images that a request holds, wherever its API has them, as data: URLs."""

from __future__ import annotations

from typing import Any

_KINDS = ("image_url", "input_image", "image")
UNKNOWN = ""
"""Stands for an image that is none of those that are known: nobody can read it."""


def images_in(fields: dict[str, Any]) -> list[str]:
    """Each image of messages or input."""
    found: list[str] = []
    left: list[Any] = [fields.get("messages"), fields.get("input")]
    while left:
        for item in _items(left.pop()):
            if item.get("type") in _KINDS:
                found.append(_url(item))
            left.append(item.get("content"))
    return found


def _items(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if type(each) is dict] if type(value) is list else []


def _url(item: dict[str, Any]) -> str:
    place, source = item.get("image_url"), item.get("source")
    if type(place) is dict:
        place = place.get("url")
    if type(source) is dict and source.get("type") == "base64":
        place = f"data:{source.get('media_type')};base64,{source.get('data')}"
    return place if type(place) is str else UNKNOWN
