"""`hub demo`: a September hour through a real hub, its targets' stand-ins failing, people finishing what machines must not."""
