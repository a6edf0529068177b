"""Values as JSON: back as they were, also from rows that earlier versions wrote."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rows import EVENTS, event_of, kind_of, text_of, value_of
from application.ports import Event
from domain.broadcasts import Session, SessionEvent, Timeline
from domain.channels import Channel
from domain.chat import Ban, Message
from domain.engagement import Comment
from domain.identity import User
from domain.notifications import Notification
from domain.processing import Processing
from domain.streams import Stream
from domain.uploads import Upload
from domain.videos import Video
from domain.watching import PlaybackSession
from tests import strategies

VALUES: Any = st.one_of(
    strategies.users(), strategies.channels(), strategies.videos(), strategies.uploads(), strategies.processings(),
    strategies.comments(), strategies.sessions(), strategies.notifications(), strategies.settings_of_inboxes(),
    strategies.streams(), strategies.timelines(), strategies.stream_sessions(), strategies.session_events(),
    strategies.messages(), strategies.bans(),
)  # fmt: skip

GOLDEN: dict[type[Any], str] = {
    User: '{"created_at":"2026-11-25T12:30:00.250000Z","display_name":"Ada","email":"ada@example.org","handle":"ada","id":"usr_1","roles":["user"],"version":3}',
    Channel: '{"avatar":"c/chn_1/a.jpg","banner":null,"comments":{"enabled":true,"hold":"links","words":["spam"]},"created_at":"2026-11-25T12:30:00.250000Z","description":"All of them","handle":"engines","id":"chn_1","members":{"usr_2":"editor"},"name":"Engines","owner":"usr_1","version":4}',
    Video: '{"attempt":2,"blocked":null,"captions":{"en":{"key":"v/vid_1/captions/en.vtt","label":"English","language":"en"}},"category":"music","channel":"chn_1","chapters":[{"start_s":0.0,"title":"Begin"}],"created_at":"2026-11-25T12:30:00.250000Z","description":"d","failure":null,"id":"vid_1","language":"en","media":{"attempt":2,"complete":true,"duration_s":61.5,"has_audio":true,"height":720,"manifest":"hls/master.m3u8","poster":true,"renditions":[{"bitrate_bps":620000,"codecs":"avc1.64001e,mp4a.40.2","height":360,"name":"360p","width":640}],"storyboard":true,"width":1280},"publish_at":null,"published_at":"2026-11-25T12:30:00.250000Z","state":"ready","tags":["a","b"],"thumbnail":"v/vid_1/thumb/i.jpg","title":"The first","uploader":"usr_1","version":7,"visibility":"public"}',
    Upload: '{"channel":"chn_1","content_type":"video/mp4","created_at":"2026-11-25T12:30:00.250000Z","error":null,"expires_at":"2026-11-26T12:30:00.250000Z","filename":"a.mp4","handle":"upl_1","id":"upl_1","size_bytes":12345,"status":"completed","user":"usr_1","version":2,"video":"vid_1"}',
    Processing: '{"attempt":2,"failure":{"code":"encoder_failed","detail":"the disk is full","transient":true},"job":"vid_1-2","lease_until":null,"log":[{"at":"2026-11-25T12:30:00.250000Z","attempt":2,"error":"encoder_failed","state":"failed"}],"media":{"attempt":2,"complete":true,"duration_s":61.5,"has_audio":true,"height":720,"manifest":"hls/master.m3u8","poster":true,"renditions":[{"bitrate_bps":620000,"codecs":"avc1.64001e,mp4a.40.2","height":360,"name":"360p","width":640}],"storyboard":true,"width":1280},"percent":40,"source":"raw/upl_1/source","state":"failed","updated_at":"2026-11-25T12:30:00.250000Z","upload":"upl_1","version":5,"video":"vid_1"}',
    Comment: '{"approved":true,"author":"usr_2","channel":"chn_1","created_at":"2026-11-25T12:30:00.250000Z","edited_at":"2026-11-25T12:30:00.250000Z","id":"cmt_1","parent":"cmt_0","pinned":false,"status":"visible","text":"Splendid","version":2,"video":"vid_1"}',
    PlaybackSession: '{"audience":"anyone","beat_at":"2026-11-25T12:30:00.250000Z","counted":true,"duration_s":61.5,"id":"ses_1","position_s":12.0,"started_at":"2026-11-25T12:30:00.250000Z","version":9,"video":"vid_1","viewer":"usr_2","watched_s":11.5}',
    Stream: '{"channel":"chn_1","chat":{"enabled":true,"followers_only":false,"slow_mode_s":5},"created_at":"2026-11-25T12:30:00.250000Z","description":"d","enabled":true,"id":"str_1","ingest":"arn:aws:ivs:eu-west-1:123456789012:channel/AbCdef1G2hij","latency":"low","live_since":"2026-11-25T12:30:00.250000Z","reconnect_window_s":60,"record":true,"reminded":false,"session":"brc_1","starts_at":"2026-11-26T12:30:00.250000Z","title":"Engines, live","version":3,"visibility":"public"}',
    Timeline: '{"announced":["st-1"],"as_of":"2026-11-25T12:30:00.250000Z","broadcasts":{"st-1":{"breach":["2026-11-25T12:30:00.250000Z","Ingest Bitrate"],"ended_at":null,"failed":false,"first_at":"2026-11-25T12:30:00.250000Z","health":{"at":"2026-11-25T12:30:00.250000Z","bitrate_bps":4000000,"breach":"Ingest Bitrate","fps":29.97,"height":720,"keyframe_s":2.0,"starving":false,"viewers":3,"width":1280},"id":"st-1","last_at":"2026-11-25T12:30:00.250000Z","missed":[],"name":"brc_1","ran":true,"seen_at":"2026-11-25T12:30:00.250000Z","started_at":"2026-11-25T12:30:00.250000Z","starving":["2026-11-25T12:30:00.250000Z",true],"stopped":null,"viewers":["2026-11-25T12:30:00.250000Z",3],"viewers_most":3,"window":["2026-11-25T12:30:00.250000Z",60]}},"channel":"chn_1","closed_until":"2026-11-24T12:30:00.250000Z","recordings":{"rec_1":{"asked_at":null,"broadcasts":["st-1"],"duration_s":61.5,"ended_at":"2026-11-25T12:30:00.250000Z","failure":null,"first_at":"2026-11-25T12:30:00.250000Z","id":"rec_1","last_at":"2026-11-25T12:30:00.250000Z","source":"ivs/v1/1/x","video":"vid_1"}},"stream":"str_1","taken":["rec_1"],"version":5}',
    Session: '{"broadcasts":["st-1"],"ended_at":null,"ended_reason":null,"health":{"at":"2026-11-25T12:30:00.250000Z","bitrate_bps":4000000,"breach":"Ingest Bitrate","fps":29.97,"height":720,"keyframe_s":2.0,"starving":true,"viewers":3,"width":1280},"id":"brc_1","joined":null,"peak_viewers":4,"recording":"processing","started_at":"2026-11-25T12:30:00.250000Z","status":"live","stream":"str_1","video":null,"viewers":3}',
    SessionEvent: '{"at":"2026-11-25T12:30:00.250000Z","broadcast":"st-1","detail":{"viewers":3,"fps":29.97,"reason":"x","broadcasts":["st-1"]},"id":"evt-1","kind":"stream_start","received_at":"2026-11-25T12:30:00.250000Z","stream":"str_1"}',
    Message: '{"at":"2026-11-25T12:30:00.250000Z","author":"usr_2","id":"msg_1","name":"Bob","removed":false,"standing":"moderator","stream":"str_1","text":"Splendid"}',
    Ban: '{"at":"2026-11-25T12:30:00.250000Z","by":"usr_2","stream":"str_1","user":"usr_3"}',
    Notification: '{"actor":"usr_2","created_at":"2026-11-25T12:30:00.250000Z","id":"ntf_1","kind":"comment","read":false,"subject":{"id":"cmt_1","type":"comment"},"text":"Bob commented","user":"usr_1"}',
}
"""A row of each kind as schema 1, or the first that knew it, has it. These texts are never changed: if a class no longer reads one, people's
records are lost, and a migration is owed.
"""
GOLDEN_EVENTS = {
    "RecordingEnded": '{"at":"2026-11-25T12:30:00.250000Z","channel":"chn_1","recording":"rec_1","source":"ivs/v1/1/x","started_at":"2026-11-25T12:30:00.250000Z","stream":"str_1","video":"vid_1"}',
    "StreamRemoved": '{"at":"2026-11-25T12:30:00.250000Z","channel":"chn_1","ingest":"arn:1","stream":"str_1"}',
    "FanOut": '{"channel":"chn_1","cursor":"c","notice":{"actor":"usr_1","at":"2026-11-25T12:30:00.250000Z","event":"evt_1","kind":"video_published","subject":{"id":"vid_1","type":"video"},"text":"x"},"page":1}',
    "CommentPosted": '{"at":"2026-11-25T12:30:00.250000Z","author":"usr_2","channel":"chn_1","comment":"cmt_1","mentions":["ada"],"parent":null,"video":"vid_1"}',
    "UploadCompleted": '{"at":"2026-11-25T12:30:00.250000Z","source":"raw/upl_1/source","upload":"upl_1","video":"vid_1"}',
}


@given(VALUES)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    again = value_of(text_of(value), type(value))
    assert again == value
    assert type(again) is type(value)


@given(strategies.events())
def test_an_event_comes_back_by_the_name_of_its_kind(event: Event) -> None:
    assert event_of(kind_of(event), text_of(event)) == event


def test_there_is_a_name_for_every_kind_of_event() -> None:
    assert all(kind.__name__ == name for name, kind in EVENTS.items())
    assert len(EVENTS) == 26
    with pytest.raises(ValueError, match="no event 'VideoEaten'"):
        event_of("VideoEaten", "{}")


@pytest.mark.parametrize("kind", GOLDEN, ids=lambda kind: kind.__name__)
def test_rows_of_earlier_versions_are_read(kind: type[Any]) -> None:
    """And written with at least the same fields, of the same names."""
    written = json.loads(text_of(value_of(GOLDEN[kind], kind)))
    assert json.loads(GOLDEN[kind]).items() <= written.items()


@pytest.mark.parametrize("kind", GOLDEN_EVENTS)
def test_events_of_earlier_versions_are_read(kind: str) -> None:
    """And written with at least the same fields, of the same names."""
    written = json.loads(text_of(event_of(kind, GOLDEN_EVENTS[kind])))
    assert json.loads(GOLDEN_EVENTS[kind]).items() <= written.items()


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(ValueError, match="missing required field"):
        value_of("{}", Video)
    with pytest.raises(ValueError, match="Invalid"):
        value_of(GOLDEN[Video].replace('"public"', '"everywhere"'), Video)
