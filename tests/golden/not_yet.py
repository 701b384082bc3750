"""Golden folders that only the reference engine runs, for one reason: the native core does not explode yet. Who teaches
it that empties this list.
"""

NOT_YET = frozenset(
    {
        "explode",
        "explode-copies",
        "explode-own-ids",
        "explode-where-and-invalid",
    }
)
