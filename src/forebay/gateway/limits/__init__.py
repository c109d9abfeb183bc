"""Limits on what keys, tenants and models may use: reserved before a call, settled after it."""
