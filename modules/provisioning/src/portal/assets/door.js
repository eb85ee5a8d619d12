// A link from a set-up code has it after the `#`, which browsers keep to themselves: carried over the sign-in, it is
// still there for the page behind it.
if (location.hash.startsWith("#cow:")) document.getElementById("sign-in").action = "/sign-in" + location.hash;

// Through something that adds TLS, the warning would be wrong.
if (location.protocol === "https:") document.getElementById("plain").hidden = true;
