"""How often the judge of a rollout is wrong: by simulation, since it takes thousands of rollouts to know."""
