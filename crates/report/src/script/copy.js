// Commands to copy.

/** Put a text where it can be pasted; true if that worked. */
async function copyText(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    // Not allowed: leave it selected, so that the keys for copying do the rest.
    getSelection().selectAllChildren(code);
    return false;
  }
}

/** Every command gets a button. */
function copies() {
  for (const code of document.querySelectorAll("code.copy")) {
    const button = html("button", "switch", "Copy");
    button.type = "button";
    button.setAttribute("aria-label", `Copy: ${code.textContent}`);
    const said = html("span", "said");
    said.setAttribute("role", "status");
    button.addEventListener("click", async () => {
      said.textContent = (await copyText(code)) ? "copied" : "selected";
    });
    code.after(button, said);
  }
}
