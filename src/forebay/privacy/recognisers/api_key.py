"""Keys of services, by the prefix that their makers gave them so that they can be found."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, NO, Found, Recogniser, recognisers

# Each prefix with what follows it; sources: the makers' documentation, and their secret-scanning registrations.
_FORMS = (
    r"sk-(?:proj-|svcacct-|admin-|ant-(?:api|admin)[0-9]{2}-|or-v1-|lf-)?[A-Za-z0-9_-]{20,200}",  # OpenAI, Anthropic...
    r"fb_[A-Za-z0-9]{4,32}_[A-Za-z0-9_-]{20,80}",  # forebay
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS
    r"LTAI[A-Za-z0-9]{12,20}",  # Alibaba Cloud
    r"AKID[A-Za-z0-9]{13,40}",  # Tencent Cloud
    r"AKLT[A-Za-z0-9]{20,60}",  # Volcano Engine
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"ya29\.[A-Za-z0-9_-]{20,200}",
    r"GOCSPX-[A-Za-z0-9_-]{28}",
    r"gh[pousr]_[A-Za-z0-9]{36,251}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{22,100}",
    r"glpat-[A-Za-z0-9_-]{20,60}",  # GitLab
    r"hf_[A-Za-z]{30,40}",  # Hugging Face
    r"xox[abeoprs]-[A-Za-z0-9-]{10,160}",  # Slack
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,120}",  # Stripe
    r"whsec_[A-Za-z0-9+/]{24,64}",
    r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}",  # SendGrid
    r"key-[0-9a-f]{32}",  # Mailgun
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50,200}",
    r"dop_v1_[0-9a-f]{64}",  # DigitalOcean
    r"dckr_pat_[A-Za-z0-9_-]{20,40}",  # Docker
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
    r"sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,50}",  # Square
    r"EAAA[A-Za-z0-9]{60}",
    r"nvapi-[A-Za-z0-9_-]{40,100}",  # NVIDIA
    r"gsk_[A-Za-z0-9]{40,60}",  # Groq
    r"r8_[A-Za-z0-9]{30,50}",  # Replicate
    r"pplx-[A-Za-z0-9]{40,60}",  # Perplexity
    r"xai-[A-Za-z0-9]{60,100}",
    r"tvly-[A-Za-z0-9-]{20,60}",
    r"hvs\.[A-Za-z0-9_-]{24,140}",  # Vault
    r"dapi[0-9a-f]{32}",  # Databricks
    r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}",  # Grafana
    r"lin_api_[A-Za-z0-9]{40}",  # Linear
    r"secret_[A-Za-z0-9]{43}",  # Notion
    r"ntn_[A-Za-z0-9]{40,60}",
    r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}",  # Telegram
    r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
)
_GATE = (
    r"sk-[A-Za-z0-9_-]{20}|fb_[A-Za-z0-9]{4,32}_|A(?:KIA|SIA|BIA|CCA)[A-Z0-9]|LTAI[A-Za-z0-9]|AK(?:ID|LT)[A-Za-z0-9]|AIza|ya29\.|GOCSPX-"
    r"|gh[pousr]_|github_pat_|glpat-|hf_[A-Za-z]|xox[abeoprs]-|[srp]k_(?:live|test)_|whsec_|SG\.[A-Za-z0-9]"
    r"|key-[0-9a-f]{8}|npm_|pypi-|dop_v1_|dckr_pat_|shp(?:at|ca|pa|ss)_|sq0|EAAA|nvapi-|gsk_|r8_|pplx-|xai-|tvly-"
    r"|hvs\.|dapi[0-9a-f]|glsa_|lin_api_|secret_|ntn_|[0-9]:AA|AGE-SECRET"
)


def _judge(found: Found) -> float:
    """A run of one character is how examples are written."""
    return CERTAIN if len(set(found.text[-12:])) > 3 else NO


recognisers.add("api_key")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9_-])(" + "|".join(_FORMS) + r")",
        gate=_GATE,
        judge=_judge,
    )
)
