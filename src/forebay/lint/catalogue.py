"""What the findings mean that have no rule file of their own: reading, flags, words of commands, upgrades."""

from __future__ import annotations

READING: dict[str, str] = {
    "adapter_clash": "An adapter is called like a model, an alias or another model's adapter.",
    "address": "An address or a network that is none.",
    "alias_clash": "A name means two models.",
    "cache_semantic": "The semantic cache stands on the exact one.",
    "cache_shared": "A cache shared by several gateways needs Valkey.",
    "config_choice": "A value that is none of those allowed.",
    "config_empty": "A file without keys.",
    "config_overlay": "A key that cannot stand under `environments`.",
    "config_type": "A value of the wrong kind, or a key that does not exist.",
    "continuation": "Streams can go on only between vLLM engines that tell token ids.",
    "discovery_source": "A discovered engine without the section of its source.",
    "engine": "An engine that cannot be started as it is written.",
    "engine_name": "Two engines of one name.",
    "gpus": "GPUs named twice, shared, or not as many as the flags need.",
    "hardware_limit": "A value that the hardware cannot do, taken back.",
    "key_owner": "A key under two tenants.",
    "no_price": "Money is bounded, but tokens cost nothing.",
    "port_clash": "Two parts on one port.",
    "port_range": "Ports that run beyond the last one.",
    "queue_classes": "Classes of the queue that contradict one another.",
    "routing_scorers": "Scorers that the way of picking does not look at.",
    "timeout_order": "A timeout that ends before what it waits for.",
    "timeout_zero": "A time of zero where some is needed.",
    "unreadable": "A file that is missing, too large or no text.",
    "valkey_lease": "A lease too short to be renewed.",
    "yaml_anchor": "Anchors and aliases, which are not allowed.",
    "yaml_depth": "Values nested too deep.",
    "yaml_documents": "More than one document in the file.",
    "yaml_duplicate": "A key written twice.",
    "yaml_key": "A key that is no text.",
    "yaml_number": "A number with too many digits.",
    "yaml_size": "A file that is too large.",
    "yaml_syntax": "No YAML.",
    "yaml_tag": "Tags, which are not allowed.",
}
FLAGS: dict[str, str] = {
    "env_refused": "A variable that forebay hands to no engine.",
    "env_dangerous": "A variable that opens the engine to whoever reaches it.",
    "env_unread": "A variable that the release does not read.",
    "flag_abbreviated": "A flag written short: vLLM takes it until another one begins so. An error in forebay.yaml.",
    "flag_absent": "A profile's flag that the release does not have, left out.",
    "flag_ambiguous": "A flag written so short that it could be several.",
    "flag_owned": "A flag that is forebay's to set, and the key that sets it.",
    "flag_twice": "A flag given twice: the last one counts. An error in forebay.yaml.",
    "flag_unknown": "A flag that the release does not have, with its successor where it has one.",
    "flag_value": "A value that its flag does not take.",
    "vllm_release": "A release of vLLM that the table of flags does not hold.",
    "weights": "Weights whose name vLLM would read as a flag.",
}
WORDS: dict[str, str] = {
    "model_by_flag": "`vllm serve --model`: it still works, and will be removed.",
    "model_ignored": "A model behind `-m vllm.entrypoints.openai.api_server`, which reads --model alone.",
    "nothing_started": "A script or compose file that starts no vLLM.",
    "release_assumed": "No release of vLLM is stated: the newest that the hardware runs is assumed.",
    "script_branches": "A script with more branches than are followed.",
    "script_deep": "A script that goes too deep to be followed.",
    "script_sourced": "A file that is read when it runs, and whose values are not known.",
    "script_syntax": "A line that cannot be read; an error where no command could be found.",
    "value_unknown": "A value that is known only when it runs, and is not checked.",
    "word_stray": "A word that belongs to no flag: vLLM refuses the command.",
}
UPGRADE: dict[str, str] = {
    "upgrade_default": "The engine leaves it to vLLM, which does it otherwise in the other release.",
    "upgrade_flag": "A flag that the other release does not have.",
    "upgrade_value": "A value that the other release does not take.",
}
EVERY = READING | FLAGS | WORDS | UPGRADE
"""All of them, by the name that findings carry."""
