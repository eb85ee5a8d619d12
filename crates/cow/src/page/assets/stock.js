// A bay whose machine has no identity yet: nothing to show but how it gets one.

import { board } from "./api.js";
import "./identity.js";
import { follow } from "./live.js";

// Only to tell whether anybody is there.
follow(board("/stream"), {});
