// Package web provides the dashboard: one [http.Handler] that says whether anything is wrong, what, who is to blame, since when, and how
// sure that is; live, and for what was.
//
//	d := web.New(&web.Options{})
//	e, err := engine.New(engine.Options{Target: target, Skills: skills, OnEvent: d.Event})
//	…
//	d.Show(live.Source(e, nil))
//	mux.Handle("/debug/beamlens/", http.StripPrefix("/debug/beamlens", d))
//
// It mounts under any prefix: all its links are relative. Pages, charts and graphs are drawn on the server; a little JavaScript adds what is live,
// what hovers, and keys. Nothing is fetched from elsewhere, and everything works without JavaScript too, except that nothing moves.
//
// # Safety
//
// What a target or a model wrote is text, wherever it is shown: the templates escape it, nothing of it becomes a link, and characters that
// hide or turn text around are replaced. The content security policy allows nothing inline and nothing from elsewhere. Whoever sends a POST must come
// from the dashboard's own pages (http.CrossOriginProtection). A dashboard without [Options.Token] answers only requests that name a
// loopback host, unless [Options.Open] says that something in front of it knows who may come.
//
// # API
//
// All of it is JSON, below api/v1/:
//
//	GET  overview               targets with their verdict, operators, findings, margins, cost
//	GET  incidents              what belongs together: an insight with its alerts, or an alert alone; ?open=1
//	GET  incidents/{id}
//	GET  alerts                 ?q= &severity= &operator= &status= &open=1 &limit= &offset=
//	GET  alerts/{id}
//	GET  insights               ?q= &verdict= &limit= &offset=
//	GET  operators              what they are doing
//	GET  runs                   ?operator= &limit=
//	GET  runs/{id}              the transcript, turn by turn
//	GET  metrics                the newest value of each
//	GET  series                 ?metric=beam.process_count &from= &to= (RFC 3339)
//	GET  events                 the newest events
//	GET  export                 all alerts and insights that are kept, newest first, bounded
//	POST alerts/{id}/status     status=acknowledged|resolved|unread
//	POST insights/{id}/feedback right=true|false, note=
//
// Each takes ?target=, as "beam shop@host", when there are several. A POST takes a form or JSON. An error is {"error": "…"} with its status.
package web
