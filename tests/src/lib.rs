//! What the whole-system tests share: oracles and their set-up, a server under test, random models.
