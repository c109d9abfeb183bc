"""What tests of forebay, and of systems that use it, need: shipped with it."""
