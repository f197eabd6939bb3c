/** Numbers, lengths and dates as people read them. */

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const CREDITS = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
const DAY = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short' });
const DAY_AND_YEAR = new Intl.DateTimeFormat('en', {
	day: 'numeric',
	month: 'short',
	year: 'numeric'
});
const MOMENT = new Intl.DateTimeFormat('en', {
	day: 'numeric',
	month: 'short',
	year: 'numeric',
	hour: '2-digit',
	minute: '2-digit',
	hourCycle: 'h23'
});

/** 100,000 */
export function number(value: number): string {
	return WHOLE.format(value);
}

/** "180 credits", "1 credit", "no credits" */
export function credits(value: number): string {
	if (value === 0) return 'no credits';
	return `${CREDITS.format(value)} ${value === 1 ? 'credit' : 'credits'}`;
}

/** "3 items", "1 item" */
export function count(value: number, one: string, many = `${one}s`): string {
	return `${number(value)} ${value === 1 ? one : many}`;
}

/** 98.6% of 1; whole figures stay whole. */
export function percent(share: number): string {
	const value = Math.round(share * 1000) / 10;
	return `${value}%`;
}

/** Roughly, for waiting: "42 s", "1 min 14 s", "12 min", "2 h 5 min". */
export function duration(seconds: number): string {
	const whole = Math.max(0, Math.round(seconds));
	if (whole < 60) return `${whole} s`;
	const minutes = Math.floor(whole / 60);
	if (minutes < 10) return joined(minutes, 'min', whole % 60, 's');
	if (minutes < 60) return `${Math.round(whole / 60)} min`;
	const hours = Math.floor(minutes / 60);
	if (hours < 48) return joined(hours, 'h', minutes % 60, 'min');
	return `${Math.round(hours / 24)} days`;
}

function joined(first: number, firstUnit: string, second: number, secondUnit: string): string {
	return second === 0 ? `${first} ${firstUnit}` : `${first} ${firstUnit} ${second} ${secondUnit}`;
}

/** On a film: "0:10", "1:02:03". */
export function clock(seconds: number): string {
	const whole = Math.max(0, Math.round(seconds));
	const [hours, minutes, rest] = [
		Math.floor(whole / 3600),
		Math.floor(whole / 60) % 60,
		whole % 60
	];
	const tail = String(rest).padStart(2, '0');
	return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`;
}

/** "just now", "6 min ago", "3 h ago", "yesterday", "12 Oct", "12 Oct 2024"; `now` for tests. */
export function ago(date: string | Date, now = new Date()): string {
	const then = new Date(date);
	const seconds = (now.getTime() - then.getTime()) / 1000;
	if (seconds < 45) return 'just now';
	if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
	if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
	if (seconds < 2 * 86_400) return 'yesterday';
	return day(then, now);
}

/** "12 Oct", with the year when it is not this one. */
export function day(date: string | Date, now = new Date()): string {
	const then = new Date(date);
	return (then.getFullYear() === now.getFullYear() ? DAY : DAY_AND_YEAR).format(then);
}

/** The exact moment: "12 Oct 2026, 14:05". */
export function moment(date: string | Date): string {
	return MOMENT.format(new Date(date));
}

/** 29.4 kB, 1.2 MB; thousands, as disks count. */
export function bytes(value: number): string {
	const units = ['B', 'kB', 'MB', 'GB', 'TB'];
	let size = value;
	let unit = 0;
	while (size >= 999.5 && unit < units.length - 1) {
		size /= 1000;
		unit += 1;
	}
	return `${unit === 0 || size >= 99.5 ? Math.round(size) : Math.round(size * 10) / 10} ${units[unit]}`;
}

/** Two letters for a person or a provider: "Mara Lund" is ML. */
export function monogram(name: string): string {
	const words = name.split(/[\s._@-]+/).filter(Boolean);
	const letters = words.length > 1 ? words[0]![0]! + words[1]![0]! : (words[0] ?? '?').slice(0, 2);
	return letters.toUpperCase();
}
