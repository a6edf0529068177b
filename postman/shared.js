// What the scripts of all requests share. This runs after every answer, before the request's own script.

const SHAPES = {
    Me: "id handle display_name email roles created_at version",
    SignedUp: "user_id confirmation",
    CodeSent: "confirmation",
    Tokens: "access_token id_token refresh_token expires_in_s token_type",
    Channel: "id handle name description owner_id avatar_url banner_url counts.subscribers counts.videos viewer created_at version",
    PictureTicket: "image_id method url expires_at",
    Upload: "id video_id status method part_size_bytes parts received expires_at error version",
    Tickets: "parts",
    Video: "id channel.id channel.handle channel.name channel.avatar_url title description tags category language"
        + " visibility publish_at published_at processing.state processing.progress_percent processing.attempt"
        + " processing.error duration_s width height poster_url storyboard_url renditions stream_id stream_session_id"
        + " counts.views counts.likes counts.dislikes counts.comments viewer created_at version",
    ProcessingStarted: "id processing.state processing.attempt processing.error version",
    ProcessingEvent: "at attempt state error",
    Rendition: "name width height bitrate_bps codecs",
    Caption: "language label url",
    Chapter: "start_s title",
    Playback: "id manifest_url mode expires_at resume_at_s",
    Beat: "position_s watched_s counted",
    Analytics: "from to data totals.views totals.watch_time_s",
    Comment: "id video_id parent_id author.id author.handle author.display_name author.avatar_url text status pinned"
        + " counts.likes counts.replies viewer created_at edited_at version",
    Subscription: "channel.id notify since",
    Subscriber: "user.id user.handle user.display_name since",
    Notification: "id type actor subject.type subject.id text created_at read",
    Unread: "count capped",
    Stream: "id channel.id channel.handle channel.name channel.avatar_url title description visibility record latency"
        + " reconnect_window_s status current_session_id live_since starts_at viewer_count created_at version",
    Ingest: "server_url stream_key expires_at",
    LivePlayback: "manifest_url mode expires_at",
    Schedule: "starts_at",
    Session: "id stream_id status started_at ended_at ended_reason viewer_count peak_viewers connections health"
        + " recording.status recording.video_id",
    SessionEvent: "id type at received_at detail",
    Metric: "at bitrate_bps width height fps keyframe_interval_s viewers",
    ChatToken: "token url capabilities expires_at session_expires_at",
    ChatRules: "enabled slow_mode_s followers_only",
    ChatBan: "user_id handle by_id created_at",
    ChatMessage: "id author_id author_name standing text at offset_s",
    Found: "type",
    Embed: "version type provider_name title author_name html width height",
    Mail: "to subject text code sent_at",
    Page: "data next_cursor",
    Problem: "type title status detail instance code errors",
};
const VERSIONED = ["Me", "Channel", "Upload", "Video", "Comment", "Stream"];
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

const hasShape = (pm, value, kind) =>
    SHAPES[kind].split(" ").forEach((name) => pm.expect(value, `a ${kind}`).to.have.nested.property(name));

// Values are of the form that their names promise, however deep they lie.
const isWellFormed = (pm, value, name = "", within = "") => {
    if (Array.isArray(value)) {
        value.forEach((each) => isWellFormed(pm, each, "", name));
    } else if (value !== null && typeof value === "object") {
        Object.entries(value).forEach(([key, each]) => isWellFormed(pm, each, key, name));
    } else if (within === "counts" || name.endsWith("_bytes") || name.endsWith("_percent")) {
        pm.expect(value, name).to.satisfy((number) => Number.isInteger(number) && number >= 0);
    } else if (value !== null && name.endsWith("_at")) {
        pm.expect(value, name).to.match(TIME);
    } else if (value !== null && name.endsWith("_url")) {
        pm.expect(value, name).to.match(/^(https?|rtmps?):\/\//);
    } else if (value !== null && name.endsWith("_s")) {
        pm.expect(value, name).to.be.a("number").that.is.at.least(0);
    }
};

// Each script has a pm of its own, so they say: const {answered, keep} = hexcast(pm);
// Declared without const, so that it is there when they run.
hexcast = (pm) => {
    const kept = (name) => pm.variables.get(name);
    const keep = (values) => Object.entries(values).forEach(([name, value]) => pm.collectionVariables.set(name, value));
    const read = () => {
        try {
            return pm.response.json();
        } catch (error) {
            return {};
        }
    };

    // The answer is a success of this status and shape. Returns its body.
    const answered = (status, kind) => {
        const body = read();
        pm.test(`answers ${status}${kind ? ` with a ${kind}` : ""}`, () => {
            pm.response.to.have.status(status);
            if (kind) {
                hasShape(pm, body, kind);
            }
            if (VERSIONED.includes(kind)) {
                pm.expect(pm.response.headers.get("ETag"), "the ETag").to.eql(`"${body.version}"`);
            }
        });
        return body;
    };

    // The answer is some of a list, each of this shape. Returns them.
    const listed = (kind) => {
        const body = answered(200, "Page");
        pm.test(`lists ${kind}s`, () => body.data.forEach((each) => hasShape(pm, each, kind)));
        return body.data || [];
    };

    // The answer is a problem of this status and code; where a field is to blame, it is named.
    const refused = (status, code, field) =>
        pm.test(`is refused: ${status} ${code}`, () => {
            pm.response.to.have.status(status);
            pm.expect(read().code).to.eql(code);
            if (field) {
                pm.expect(read().errors.map((each) => each.field)).to.include(field);
            }
        });

    // Sends the request again, a bounded number of times, until the condition holds. Then goes on with the rest.
    const until = (condition, what, rest = () => {}) => {
        const tries = Number(kept("tries") || 0) + 1;
        let why = "";
        try {
            why = condition() ? "" : "it does not hold";
        } catch (error) {
            why = error.message;
        }
        if (why && tries < Number(kept("tries_most"))) {
            keep({tries});
            pm.execution.setNextRequest(pm.info.requestName);
            setTimeout(() => {}, Number(kept("pause_ms")));
            return;
        }
        pm.collectionVariables.unset("tries");
        pm.test(what, () => pm.expect(why, `after ${tries} tries`).to.eql(""));
        if (!why) {
            rest();
        }
    };

    // What the answer sets as cookies, as a Cookie header sends them.
    const cookies = () =>
        pm.response.headers
            .filter((header) => header.key.toLowerCase() === "set-cookie")
            .map((header) => header.value.split(";")[0])
            .join("; ");

    // The addresses in a playlist, in full.
    const addresses = () => {
        const folder = pm.request.url.toString().split("?")[0].replace(/[^/]*$/, "");
        const inTags = Array.from(pm.response.text().matchAll(/URI="([^"]+)"/g), (found) => found[1]);
        const lines = pm.response.text().split(/\r?\n/).filter((line) => line && !line.startsWith("#"));
        return [...lines, ...inTags].map((each) => (each.includes("://") ? each : folder + each));
    };

    return {answered, listed, refused, until, keep, kept, cookies, addresses};
};

if (pm.request.url.getPath().startsWith("/v1/")) {
    const type = pm.response.headers.get("Content-Type") || "";
    if (pm.response.code >= 400) {
        pm.test("an error is a problem document", () => {
            pm.expect(type).to.match(/^application\/problem\+json/);
            hasShape(pm, pm.response.json(), "Problem");
            pm.expect(pm.response.json().status).to.eql(pm.response.code);
        });
    } else if (pm.response.code === 204) {
        pm.test("204 comes without a body", () => pm.expect(pm.response.text() || "").to.eql(""));
    } else if (type.startsWith("application/json")) {
        pm.test("values are what their names promise", () => isWellFormed(pm, pm.response.json()));
    }
    if (pm.request.url.toString().startsWith(pm.variables.get("base_url"))) {
        pm.test("the answer has a request id", () => pm.response.to.have.header("X-Request-ID"));
    }
}
