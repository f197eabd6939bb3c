// Before the first paint: the theme that the person chose, or the system's.
(function () {
	var theme = 'system';
	try {
		theme = localStorage.getItem('theme') || 'system';
	} catch {
		// Storage is off: the system's theme.
	}
	if (theme === 'system')
		theme = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
	document.documentElement.dataset.theme = theme;
})();
