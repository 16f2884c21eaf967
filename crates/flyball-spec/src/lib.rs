//! Text to model and back: OpenSLO, Flyball's own kinds, Sloth and Pyrra
