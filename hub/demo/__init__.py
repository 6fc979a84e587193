"""`hub demo`: a September hour through a real hub; its targets fail, and people finish what machines must not."""
