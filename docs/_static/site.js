// SPDX-License-Identifier: BSD-2-Clause
// In place of furo.js, which as Debian has it is a module that no page loads as one.

document.documentElement.classList.remove("no-js");
for (const button of document.getElementsByClassName("theme-toggle"))
	button.addEventListener("click", () => {
		const theme = document.body.dataset.theme === "dark" ? "light" : "dark";
		document.body.dataset.theme = theme;
		localStorage.setItem("theme", theme);
	});
